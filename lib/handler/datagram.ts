import { MessageRequest } from '../accept/request/message-request.ts'
import type { Request, RequestServer } from '../request.ts'
import { BaseRequestHandler } from './base.ts'

/**
 * Serves a datagram, or any whole message: its bytes are in `packet` and in `rfile`, and what is written to `wfile` is
 * the one reply, sent when the handler has ended well.
 *
 * Python: `DatagramRequestHandler`; `socket` has no counterpart, as the reply goes by `wfile`.
 *
 * @example
 * class Length extends DatagramRequestHandler {
 *   override async handle () {
 *     await this.wfile.write(`${this.packet.length} bytes`)
 *   }
 * }
 * const server = await new UDPServer({ host: '127.0.0.1' }, Length).listen()
 * const serving = server.serveForever()
 * assert.equal(await exchangeDatagram(server.address, 'four'), '4 bytes')
 * await server.close()
 * await serving
 */
export class DatagramRequestHandler<S extends RequestServer = RequestServer> extends BaseRequestHandler<Request, S> {
  /** The message; a `TypeError` where the request is a connection. */
  get packet(): Buffer {
    if (this.request instanceof MessageRequest) return this.request.packet
    throw new TypeError('Cannot get the packet: this request is a connection; use rfile and wfile')
  }
}
