import type { Address } from '../../address.ts'
import type { AbortedError } from '../../errors.ts'
import type { RequestServer } from '../../request.ts'
import { MessageRequest } from '../request/message-request.ts'
import { notDelivered } from './undelivered.ts'

/**
 * A received datagram; what its handler writes goes back as one datagram.
 *
 * Where a Unix peer has no room for it, the reply waits on the server, and `close()` does not wait for it: a peer that does
 * not read holds up no handler. The request is open until the reply has left, so a closing server waits for it up to the
 * deadline; a reply that fails meanwhile is published (`undelivered`), and told to `whenClosed` listeners.
 *
 * Python: the `(data, socket)` pair that `UDPServer.get_request` returns.
 *
 * @example
 * const server = await new UDPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const answer = exchangeDatagram(server.address, 'ping')
 * for await (const request of server) {
 *   await request.wfile.write(request.packet)
 *   await request.close()
 *   break
 * }
 * assert.equal(await answer, 'ping')
 */
export class DatagramRequest extends MessageRequest {
  readonly #letsGo: boolean
  #queued = false

  /**
   * Made by a listener; `letsGo` says that its `close()` does not wait for a reply that waits for its peer.
   *
   * @internal
   */
  constructor(
    server: RequestServer,
    packet: Buffer,
    clientAddress: Address,
    reply: (bytes: Buffer, request: MessageRequest) => unknown,
    letsGo = false
  ) {
    super({ server, packet, clientAddress, reply })
    this.#letsGo = letsGo
  }

  /**
   * `close()` does not wait for a peer that does not read.
   *
   * @internal
   */
  override waitsFor(sent: PromiseLike<unknown>): void {
    super.waitsFor(sent)
    if (!this.#letsGo) return
    this.#queued = true
    this.closeEarly()
  }

  /** Let go at once. */
  protected override cut(error: AbortedError): void {
    super.cut(error)
    // Whoever closed it was told that all is well.
    if (this.#queued) notDelivered(this.server, this.clientAddress, error)
  }
}
