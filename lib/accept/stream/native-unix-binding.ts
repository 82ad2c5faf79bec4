import { formatPath } from '../../address.ts'
import { bindSocket } from '../native/bind-socket.ts'
import { libc } from '../native/libc.ts'
import { AF_UNIX, encodeUnix } from '../native/sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../native/socket-type.ts'
import { bindOwned, checkLength, isAbstract, UnixPath } from '../unix/unix-path.ts'
import type { NativeBinding } from './native-binding.ts'
import type { UnixListenerOptions } from './stream-options.ts'

/** A Unix stream socket by libc. */
export class NativeUnixBinding implements NativeBinding {
  readonly where: string
  readonly #options: UnixListenerOptions
  #path: UnixPath | undefined

  /** @param options - where, and whose */
  constructor(options: UnixListenerOptions) {
    this.#options = options
    this.where = formatPath(options.path)
  }

  async open(): Promise<number> {
    const { path } = this.#options
    checkLength(path)
    const { close, error, socket } = libc()
    const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) throw error('socket')
    try {
      if (isAbstract(path)) {
        bindSocket(fd, encodeUnix(path))
        this.#listen(fd)
      } else await this.#bindAt(path, fd)
      return fd
    } catch (trouble) {
      close(fd)
      throw trouble
    }
  }

  leave(): void {
    this.#path?.remove()
  }

  async #bindAt(path: string, fd: number): Promise<void> {
    const { mode } = this.#options
    // The file is made with these permissions, less the umask, and nobody gets through before the socket listens.
    if (mode !== undefined) libc().fchmod(fd, mode)
    this.#path = await UnixPath.claim(path, (name, absolute) =>
      bindOwned(
        absolute,
        this.#options,
        () => bindSocket(fd, encodeUnix(name)),
        () => this.#listen(fd)
      )
    )
  }

  #listen(fd: number): void {
    if (libc().listen(fd, this.#options.backlog) !== 0) throw libc().error('listen')
  }
}
