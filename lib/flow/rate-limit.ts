import type { Request } from '../request.ts'
import { RateLimiter, type RateLimiterOptions } from './rate-limiter.ts'

/**
 * A predicate for {@link verify} or `verifyRequest`: refuses an address that comes too often, by a token bucket for each.
 * Connections, datagrams and frames alike, whichever it is asked about, each takes a token.
 *
 * Who comes from no IP address (a Unix peer, a row of a table) is let in. Those whom it refuses are counted, and published
 * with the reason `verify`. The source of a datagram can be forged: then it bounds what is sent to whoever has that address.
 *
 * @param limiter - a {@link RateLimiter}, which can be changed while it is in use and shared, or its options
 * @throws `TypeError` and `RangeError` for wrong options
 *
 * @example
 * const limiter = new RateLimiter({ rate: 10, burst: 20 })
 * const server = await new UDPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const echo = parallel((request: Request) => pipe(request, request))
 * const serving = pipe(server, verify(rateLimit(limiter)), echo, drain)
 * assert.equal(await exchangeDatagram(server.address, 'ping'), 'ping')
 * limiter.rate = 1_000
 * await server.close()
 * await serving
 */
export function rateLimit(
  limiter: RateLimiter | RateLimiterOptions
): (request: Pick<Request, 'clientAddress'>) => boolean {
  const limits = limiter instanceof RateLimiter ? limiter : new RateLimiter(limiter)
  return ({ clientAddress }) => limits.take(clientAddress)
}
