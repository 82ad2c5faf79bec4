import { show } from '../arguments.ts'
import { Merged } from './merged.ts'

/** What a source of {@link merge} yields. */
export type Merging<S> = S extends AsyncIterable<infer T> | Iterable<infer T> ? T : never

/**
 * Several servers, or other sources, as one: one handler and one limit serve them all.
 *
 * What comes goes out in the order in which the sources answered, and a source is asked again only when all that came
 * was taken: one that always answers at once is at most one item ahead of the others.
 *
 * Resources: an idle source costs one parked `next()`. Sources are asked only while somebody waits for the next item, so
 * at most one item of each source is in hand that nobody has.
 * Errors: one that fails does not end the others. Where it is a server, its `handleError` is told at once; when all
 * others have ended the iteration throws the error, or an `AggregateError` of several. A `TypeError` where there is no
 * source, or one cannot be iterated.
 * Stopping: it ends when all have ended. `break` gives every source back, which closes servers, and waits until their
 * listeners have closed, but for nobody else; what is in hand is refused.
 * Python: `selectors`, over the sockets of several servers in one loop.
 *
 * @param sources - one at least; the same server twice is two of its loops
 * @returns what they yield
 *
 * @example
 * const tcp = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const udp = await new UDPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const echo = (request: Request) => pipe(request, request)
 * const serving = pipe(merge(tcp, udp), parallel(echo, { limit: 40 }), drain)
 * assert.equal(await exchange(tcp.address, 'a stream'), 'a stream')
 * assert.equal(await exchangeDatagram(udp.address, 'a datagram'), 'a datagram')
 * await Promise.all([tcp.close(), udp.close()])
 * await serving
 */
export function merge<S extends readonly (AsyncIterable<unknown> | Iterable<unknown>)[]>(
  ...sources: S
): AsyncIterableIterator<Merging<S[number]>> {
  if (sources.length === 0) throw new TypeError('merge takes sources: got none')
  for (const source of sources) {
    if (!isIterable(source)) throw new TypeError(`merge takes sources that can be iterated: got ${show(source)}`)
    if (Array.isArray(source) && source.some(isIterable)) {
      throw new TypeError('merge takes its sources one by one: merge(...sources), not merge(sources)')
    }
  }
  return new Merged(sources as readonly (AsyncIterable<Merging<S[number]>> | Iterable<Merging<S[number]>>)[])
}

function isIterable(source: unknown): boolean {
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = (source ?? {}) as Partial<
    AsyncIterable<unknown> & Iterable<unknown>
  >
  return typeof source === 'object' && (typeof later === 'function' || typeof now === 'function')
}
