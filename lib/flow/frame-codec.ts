import type { Uint8ArrayList } from 'uint8arraylist'
import { show } from '../arguments.ts'
import type { RFile } from '../rfile.ts'
import type { Writable } from '../wfile.ts'

/**
 * How messages lie in a stream of bytes: what {@link framed} takes. {@link lines} makes one; it-length-prefixed is one:
 * `{ decode: lp.decode, encode: lp.encode.single }`.
 *
 * @example
 * const netstrings = framed({
 *   async * decode (rfile) {
 *     for (let head = await rfile.readUntil(':'); head !== undefined; head = await rfile.readUntil(':')) {
 *       const body = await rfile.readExactly(parseInt(head.toString()) + 1)
 *       if (body === undefined) throw new Error('no body')
 *       yield body.subarray(0, -1)
 *     }
 *   },
 *   encode: (message) => `${message.length}:${message},`
 * })
 * const server = await new TCPServer({ port: 0 }).listen()
 * const serving = pipe(server, netstrings, parallel((request: Request) => pipe(request, request)), drain)
 * assert.equal(await exchange(server.address, '1:a,2:bc,'), '1:a,2:bc,')
 * await server.close()
 * await serving
 */
export interface FrameCodec {
  /**
   * The messages of a connection, one by one, to its end; called once for each connection. It is not asked ahead of what
   * is served. What it throws ends the connection.
   *
   * @param rfile - the connection's input; also an async iterable of batches of bytes
   */
  decode(rfile: RFile): AsyncIterable<Uint8Array | Uint8ArrayList>

  /**
   * A reply, as it is sent. What it throws is the error of that frame.
   *
   * @param message - what the handler wrote
   */
  encode(message: Buffer): Writable
}

/**
 * Check that something is a codec.
 *
 * @param codec - what was given
 */
export function checkCodec(codec: unknown): void {
  const { decode, encode } = (codec ?? {}) as Partial<FrameCodec>
  if (typeof decode !== 'function' || typeof encode !== 'function') {
    throw new TypeError(`framed takes a codec, such as lines(), with decode and encode: got ${show(codec)}`)
  }
}
