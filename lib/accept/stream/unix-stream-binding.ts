import cluster from 'node:cluster'
import type { Server } from 'node:net'
import { resolve } from 'node:path'
import { formatPath, type UnixAddress } from '../../address.ts'
import { bindSocket } from '../datagram/datagram-socket.ts'
import { libc, libcMissing } from '../native/libc.ts'
import { AF_UNIX, encodeUnix } from '../native/sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_STREAM } from '../native/socket-type.ts'
import { withClaimLock } from '../unix/claim-lock.ts'
import { PassingSocket } from '../unix/passing-socket.ts'
import { removeStale } from '../unix/stale-path.ts'
import { bindOwned, checkLength, isAbstract, own, UnixPath, type UnixPathOptions } from '../unix/unix-path.ts'
import type { StreamBinding } from './stream-binding.ts'
import { listening } from './tcp-binding.ts'

/**
 * A Unix stream socket by `node:net`. libuv takes away, at the close, whatever stands at the path to which it was bound,
 * and cannot set permissions before; so the socket is bound by libc where that can be had, and by Node under a passing
 * name elsewhere.
 */
export class UnixStreamBinding implements StreamBinding {
  readonly where: string
  readonly backlog: number
  readonly clientAddress: UnixAddress = { family: 'unix', path: '' }
  readonly #options: UnixPathOptions
  #path: UnixPath | undefined

  /**
   * @param options - where, and whose
   * @param backlog - connections that the kernel holds
   */
  constructor(options: UnixPathOptions, backlog: number) {
    this.#options = options
    this.where = formatPath(options.path)
    this.backlog = backlog
  }

  async open(server: Server): Promise<UnixAddress> {
    const { path } = this.#options
    checkLength(path)
    // Node pads abstract names to 108 bytes where it is older, and nobody finds them under their own then.
    if (isAbstract(path)) await this.#listenOn(server, (fd) => bindSocket(fd, encodeUnix(path)))
    // Named pipes leave nothing behind.
    else if (process.platform === 'win32') await listening(server, { path, backlog: this.backlog })
    else if (cluster.isWorker) await this.#share(server, path)
    else if (libcMissing() === undefined) await this.#listenOn(server, (fd) => this.#bindAt(path, fd))
    else await this.#listenInPassing(server, path)
    return { family: 'unix', path }
  }

  leave(): void {
    this.#path?.remove()
  }

  async #listenOn(server: Server, bind: (fd: number) => void | Promise<void>): Promise<void> {
    const fd = libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
    if (fd < 0) throw libc().error('socket')
    try {
      await bind(fd)
      await listening(server, { fd, backlog: this.backlog, exclusive: true })
    } catch (error) {
      this.leave()
      libc().close(fd)
      throw error
    }
  }

  async #bindAt(path: string, fd: number): Promise<void> {
    const { error, fchmod, listen } = libc()
    const { mode } = this.#options
    // The file is made with these permissions, less the umask, and nobody gets through before the socket listens.
    if (mode !== undefined) fchmod(fd, mode)
    this.#path = await UnixPath.claim(path, (name, absolute) => {
      const opened = (): void => {
        if (listen(fd, this.backlog) !== 0) throw error('listen')
      }
      bindOwned(absolute, this.#options, () => bindSocket(fd, encodeUnix(name)), opened)
    })
  }

  async #listenInPassing(server: Server, path: string): Promise<void> {
    const absolute = resolve(path)
    const passing = new PassingSocket(absolute)
    try {
      await listening(server, { path: passing.name, backlog: this.backlog })
      own(passing.path, this.#options)
      this.#path = await UnixPath.claim(absolute, () => passing.moveTo(absolute))
    } catch (error) {
      server.close()
      throw error
    } finally {
      passing.remove()
    }
  }

  // The primary listens for all workers, and takes the path away with the last of them. A live path may be that of the
  // other workers: listening tells. Without system calls each worker that starts would disturb them by asking.
  async #share(server: Server, path: string): Promise<void> {
    const absolute = resolve(path)
    await withClaimLock(absolute, async () => {
      let reason: unknown
      if (libcMissing() === undefined) {
        await removeStale(absolute, path).catch((error: unknown) => {
          reason = error
        })
      }
      await listening(server, { path, backlog: this.backlog }).catch((error: unknown) => {
        throw reason ?? error
      })
    })
    own(absolute, this.#options)
  }
}
