import cluster from 'node:cluster'
import { existsSync } from 'node:fs'
import type { Server } from 'node:net'
import { dirname } from 'node:path'
import { formatPath, type UnixAddress } from '../address.ts'
import { bindSocket } from './datagram-socket.ts'
import { libc } from './libc.ts'
import { AF_UNIX, encodeUnix } from './sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_STREAM } from './socket-type.ts'
import type { StreamBinding } from './stream-binding.ts'
import { listening } from './tcp-binding.ts'
import { checkLength, isAbstract, moveTo, nameBeside, own, UnixPath, type UnixPathOptions } from './unix-path.ts'

/** A Unix stream socket by `node:net`. */
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
    if (isAbstract(path)) await this.#listenAbstract(server)
    // Named pipes leave nothing behind; and a cluster's primary listens for all of its workers.
    else if (process.platform === 'win32' || cluster.isWorker) await listening(server, { path, backlog: this.backlog })
    else await this.#listenAt(server)
    return { family: 'unix', path }
  }

  leave(): void {
    this.#path?.remove()
  }

  // libuv takes away, at the close, whatever stands at the path to which it was bound: so that is a passing one, and the
  // socket gets its real name when it is ready, with the permissions that it shall have.
  async #listenAt(server: Server): Promise<void> {
    const passing = nameBeside(this.#options.path)
    try {
      await listening(server, { path: passing, backlog: this.backlog })
      await own(passing, this.#options)
      this.#path = await UnixPath.claim(this.#options, (path) => moveTo(path, passing))
    } catch (error) {
      server.close()
      throw withCause(error as NodeJS.ErrnoException, passing)
    }
  }

  /** Node pads abstract names to 108 bytes where it is older, and nobody finds them under their own then. */
  async #listenAbstract(server: Server): Promise<void> {
    const fd = libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
    if (fd < 0) throw libc().error('socket')
    try {
      bindSocket(fd, encodeUnix(this.#options.path))
      await listening(server, { fd, backlog: this.backlog, exclusive: true })
    } catch (error) {
      libc().close(fd)
      throw error
    }
  }
}

// libuv says EACCES where the folder of the path is missing.
function withCause(error: NodeJS.ErrnoException, path: string): NodeJS.ErrnoException {
  if (error.code !== 'EACCES' || existsSync(dirname(path))) return error
  return Object.assign(new Error(error.message, { cause: error }), { code: 'ENOENT' })
}
