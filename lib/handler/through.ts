import type { Source, Transform } from 'it-stream-types'
import type { Uint8ArrayList } from 'uint8arraylist'
import { show } from '../arguments.ts'
import type { Request } from '../request.ts'
import type { Writable } from '../wfile.ts'

/**
 * A handler from an it-pipe transform: what it makes of the input is the output.
 *
 * @param transform - a source of what came in, to a source of what goes out
 *
 * @example
 * const upper = through(async function * (source) {
 *   for await (const bytes of source) yield Buffer.from(bytes.subarray()).toString().toUpperCase()
 * })
 * assert.equal(await ask(upper, 'shout'), 'SHOUT')
 */
export function through(
  transform: Transform<AsyncIterable<Uint8ArrayList>, Source<Writable>>
): (request: Request) => Promise<void> {
  if (typeof transform !== 'function') throw new TypeError(`through takes a function: got ${show(transform)}`)
  return (request) => request.sink(transform(request.source))
}
