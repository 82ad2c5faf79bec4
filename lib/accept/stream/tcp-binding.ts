import type { Server } from 'node:net'
import { formatHost } from '../../address.ts'
import { listening } from './listening.ts'
import type { StreamBinding } from './stream-binding.ts'
import type { TCPListenerOptions } from './stream-options.ts'

/** TCP by `node:net`. */
export class TCPBinding implements StreamBinding {
  readonly where: string
  readonly isShared = false
  readonly clientAddress = undefined
  readonly #options: TCPListenerOptions

  /** @param options - where and how */
  constructor(options: TCPListenerOptions) {
    this.#options = options
    this.where = formatHost(options.host, options.port)
  }

  open(server: Server): Promise<undefined> {
    const { host, port, ipv6Only, backlog, reusePort } = this.#options
    return listening(server, { host, port, ipv6Only, backlog, ...(reusePort && { reusePort }) })
  }

  leave(): void {}
}
