import type { AddressEntries } from '../accept/address/address-entry.ts'
import { type AddressList, addressList } from '../accept/address/address-list.ts'
import type { Request } from '../request.ts'

/**
 * A predicate for {@link verify} or `verifyRequest`: lets in those whose address is on a list, and nobody else.
 *
 * It refuses whom it cannot check: a request that comes from no address, and a Unix peer where the list does not say
 * `unix:`. Connections, datagrams and frames alike; the source of a datagram can be forged. Those whom it refuses are
 * counted, and published with the reason `verify`.
 *
 * @param list - an {@link AddressList}, which can be changed while it is in use, or what it holds
 * @throws a `TypeError` for a wrong entry, which names it
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const inside = verify(allowAddresses(['127.0.0.0/8', '::1', '10.0.0.1-10.0.0.9', 'unix:']))
 * const serving = pipe(server, inside, parallel((request: Request) => pipe(request, request)), drain)
 * assert.equal(await exchange(server.address, 'ping'), 'ping')
 * await server.close()
 * await serving
 */
export function allowAddresses(
  list: AddressList | AddressEntries
): (request: Pick<Request, 'clientAddress'>) => boolean {
  const allowed = addressList(list)
  return ({ clientAddress }) => allowed.has(clientAddress)
}

/**
 * A predicate for {@link verify} or `verifyRequest`: refuses those whose address is on a list, and lets in all others.
 *
 * A request that comes from no address is on no list, and a Unix peer only on one that says `unix:`. Otherwise as
 * {@link allowAddresses}.
 *
 * @param list - an {@link AddressList}, which can be changed while it is in use, or what it holds
 * @throws a `TypeError` for a wrong entry, which names it
 *
 * @example
 * class Guarded extends TCPServer {
 *   readonly banned = new AddressList()
 *   readonly #welcome = denyAddresses(this.banned)
 *
 *   override verifyRequest (request: StreamRequest) {
 *     return this.#welcome(request)
 *   }
 * }
 * const server = await new Guarded({ host: '127.0.0.1', port: 0 }, (request) => pipe(request, request)).listen()
 * const serving = server.serveForever()
 * assert.equal(await exchange(server.address, 'ping'), 'ping')
 * server.banned.add('127.0.0.1')
 * assert.equal(await exchange(server.address).catch((error) => error.code), '')
 * await server.close()
 * await serving
 */
export function denyAddresses(
  list: AddressList | AddressEntries
): (request: Pick<Request, 'clientAddress'>) => boolean {
  const denied = addressList(list)
  return ({ clientAddress }) => !denied.has(clientAddress)
}
