import type { Server } from 'node:net'
import type { Address, UnixAddress } from '../../address.ts'
import { boundAddress } from '../native/bind-socket.ts'
import { closeOriginal, copySocket, describe, listenOn, unfit } from '../native/inherited-socket.ts'
import { libc, libcMissing } from '../native/libc.ts'
import { listeningOn } from './listening.ts'
import type { StreamBinding } from './stream-binding.ts'
import type { InheritedListenerOptions } from './stream-options.ts'

const unnamed: UnixAddress = { family: 'unix', path: '' }

/** A stream socket that was made elsewhere, by `node:net`. */
export class NodeInheritedBinding implements StreamBinding {
  readonly where: string
  readonly isShared = true
  readonly clientAddress: UnixAddress | undefined
  readonly #kind: 'TCP socket' | 'Unix stream socket'
  #copy: number | undefined
  readonly #options: InheritedListenerOptions

  /**
   * @param kind - what it must be
   * @param options - which it is
   */
  constructor(kind: 'TCP socket' | 'Unix stream socket', options: InheritedListenerOptions) {
    this.#kind = kind
    this.#options = options
    this.where = describe(options.fd)
    this.clientAddress = kind === 'TCP socket' ? undefined : unnamed
  }

  async open(server: Server): Promise<Address | undefined> {
    const { fd, backlog, keepsBacklog } = this.#options
    const copy = copySocket(fd, this.#kind)
    if (libcMissing() !== undefined) return this.#unchecked(server)
    let address: Address
    try {
      listenOn(copy, backlog, keepsBacklog)
      address = boundAddress(copy)
    } catch (error) {
      libc().close(copy)
      throw error
    }
    await listeningOn(server, copy, backlog)
    this.#copy = copy
    return address
  }

  // Its path is that of whoever made it.
  leave(): void {
    if (this.#copy !== undefined) closeOriginal(this.#options.fd, this.#copy)
  }

  /** Node tells what it was only when it listens; the path of a Unix socket it does not tell. */
  async #unchecked(server: Server): Promise<Address | undefined> {
    const { fd, backlog } = this.#options
    try {
      await listeningOn(server, fd, backlog)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw code === 'EINVAL' ? unfit(code, `it is not a ${this.#kind} that can listen`) : error
    }
    const isIP = typeof server.address() === 'object' && server.address() !== null
    if (isIP !== (this.#kind === 'TCP socket')) {
      server.close()
      throw unfit('EAFNOSUPPORT', `it is not a ${this.#kind}`)
    }
    return isIP ? undefined : unnamed
  }
}
