import type { Address } from '../../address.ts'
import type { RequestServer } from '../../request.ts'
import { MessageRequest } from '../request/message-request.ts'

/**
 * A received datagram; what its handler writes goes back as one datagram.
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
  /**
   * Made by a listener.
   *
   * @internal
   */
  constructor(
    server: RequestServer,
    packet: Buffer,
    clientAddress: Address,
    reply: (bytes: Buffer, request: MessageRequest) => unknown
  ) {
    super({ server, packet, clientAddress, reply })
  }
}
