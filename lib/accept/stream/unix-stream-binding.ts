import type { Server } from 'node:net'
import { resolve } from 'node:path'
import { formatPath, type UnixAddress } from '../../address.ts'
import { isClusterWorker } from '../cluster-worker.ts'
import { libcMissing } from '../native/libc.ts'
import { withClaimLock } from '../unix/claim-lock.ts'
import { PassingSocket } from '../unix/passing-socket.ts'
import { fileOf, own } from '../unix/socket-file.ts'
import { removeStale } from '../unix/stale-path.ts'
import { checkLength, isAbstract, UnixPath } from '../unix/unix-path.ts'
import { listening, listeningOn } from './listening.ts'
import { NativeUnixBinding } from './native-unix-binding.ts'
import type { StreamBinding } from './stream-binding.ts'
import type { UnixListenerOptions } from './stream-options.ts'

/**
 * A Unix stream socket by `node:net`. libuv takes away, at the close, whatever stands at the path to which it was bound,
 * and cannot set permissions before; so the socket is bound by libc where that can be had, and by Node under a passing
 * name elsewhere.
 */
export class UnixStreamBinding implements StreamBinding {
  readonly where: string
  readonly isShared = false
  readonly clientAddress: UnixAddress = { family: 'unix', path: '' }
  readonly #options: UnixListenerOptions
  #path: UnixPath | undefined
  #native: NativeUnixBinding | undefined

  /** @param options - where, and whose */
  constructor(options: UnixListenerOptions) {
    this.#options = options
    this.where = formatPath(options.path)
  }

  async open(server: Server): Promise<UnixAddress> {
    const { path } = this.#options
    checkLength(path)
    // Node pads abstract names to 108 bytes where it is older, and nobody finds them under their own then.
    if (isAbstract(path)) await this.#listenNatively(server)
    // Named pipes leave nothing behind.
    else if (process.platform === 'win32') await listening(server, { path, backlog: this.#options.backlog })
    else if (isClusterWorker()) await this.#share(server, path)
    else if (libcMissing() === undefined) await this.#listenNatively(server)
    else await this.#listenInPassing(server, path)
    return { family: 'unix', path }
  }

  leave(): void {
    this.#native?.leave()
    this.#path?.remove()
  }

  async #listenNatively(server: Server): Promise<void> {
    const native = new NativeUnixBinding(this.#options)
    const fd = await native.open()
    this.#native = native
    try {
      await listeningOn(server, fd, this.#options.backlog)
    } catch (error) {
      this.leave()
      throw error
    }
  }

  async #listenInPassing(server: Server, path: string): Promise<void> {
    const absolute = resolve(path)
    const passing = new PassingSocket(absolute)
    try {
      await listening(server, { path: passing.name, backlog: this.#options.backlog })
      const file = fileOf(passing.path)
      own(passing.path, file, this.#options)
      this.#path = await UnixPath.claim(absolute, () => {
        passing.moveTo(absolute)
        return file
      })
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
      await listening(server, { path, backlog: this.#options.backlog }).catch((error: unknown) => {
        throw reason ?? error
      })
    })
    own(absolute, fileOf(absolute), this.#options)
  }
}
