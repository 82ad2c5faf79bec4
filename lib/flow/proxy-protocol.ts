import { type ProxyProtocolOptions, proxyPlan } from '../accept/proxy/proxy-options.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import type { Stage } from '../stage.ts'
import { Proxied } from './proxied.ts'

/**
 * Read the PROXY header of each connection: `clientAddress` becomes what it says, and `request.proxy` holds the rest. What the
 * option `proxyProtocol` of a server does, for any source of connections: of a {@link merge} say, or over TLS, inside of which
 * the header is looked for here. On a server of one's own the option is better: it comes before `verifyRequest`.
 *
 * Headers of many connections are read at once, and connections handed out as theirs have come: one that is slow holds
 * nobody up. It never guesses: a connection without a header, with a wrong one, one that does not come in time or from
 * somebody who is not trusted, is closed at once, counted as refused and published with the reason `proxy`; the channel
 * `it-socketserver:proxy` says why.
 *
 * Resources: pulls connections while somebody waits for one, and while fewer than `maxConcurrent` headers are awaited.
 * Errors: `TypeError` and `RangeError` for wrong options, at once. An item that is no connection, such as a datagram, is
 * refused and noted by the server's `handleError`. A source that throws ends the stage with its error when those have ended
 * that it had brought.
 * Stopping: when the source has ended, those whose header is awaited are still handed out, or refused, within `timeout`.
 * `break` gives the source back and refuses them at once.
 *
 * @param options - whom to trust, and the bounds
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const whoAmI = async (request: StreamRequest) => {
 *   await request.wfile.write(formatAddress(request.clientAddress))
 * }
 * const local = verify((request: StreamRequest) => formatAddress(request.clientAddress).startsWith('192.0.2.'))
 * const serving = pipe(server, proxyProtocol({ trust: ['127.0.0.1'] }), local, parallel(whoAmI), drain)
 * const reply = await exchange(server.address, 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n')
 * assert.equal(reply, '192.0.2.7:4711')
 * await server.close()
 * await serving
 */
export function proxyProtocol(options: ProxyProtocolOptions): Stage<StreamRequest, StreamRequest> {
  const plan = proxyPlan('proxyProtocol', options)
  return (source) => new Proxied(source, plan)
}
