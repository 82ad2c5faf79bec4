import { formatPath } from '../../address.ts'
import { bindSocket } from '../native/bind-socket.ts'
import { libc } from '../native/libc.ts'
import type { NativeBinding } from '../native/native-binding.ts'
import { openSocket } from '../native/open-socket.ts'
import { AF_UNIX, encodeUnix } from '../native/sockaddr.ts'
import { SOCK_STREAM } from '../native/socket-type.ts'
import { bindOwned, checkLength, isAbstract, UnixPath } from '../unix/unix-path.ts'
import type { UnixListenerOptions } from './stream-options.ts'

/** A Unix stream socket by libc. */
export class NativeUnixBinding implements NativeBinding {
  readonly where: string
  readonly isShared = false
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
    return openSocket(AF_UNIX, SOCK_STREAM, (fd) => {
      if (!isAbstract(path)) return this.#bindAt(path, fd)
      bindSocket(fd, encodeUnix(path))
      return this.#listen(fd)
    })
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
