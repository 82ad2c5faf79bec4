import { Duplex } from 'node:stream'
import { toError } from '../outcome.ts'
import type { Request } from '../request.ts'

/**
 * A request as a Node stream. Destroying the stream with an error aborts the request, without one closes it.
 *
 * @param request - the request; its rfile and wfile are the stream's from now on
 */
export function nodeStream(request: Request): Duplex {
  const stream = new Duplex({
    read() {
      request.rfile.read().then(
        (bytes) => stream.push(bytes ?? null),
        (error: unknown) => stream.destroy(toError(error))
      )
    },
    write(bytes: Uint8Array, _encoding, done) {
      request.wfile.write(bytes).then(() => done(), done)
    },
    final(done) {
      request.wfile.end().then(() => done(), done)
    },
    destroy(error, done) {
      if (error !== null) request.abort(error)
      request.close().then(
        () => done(error),
        (closing: unknown) => done(error ?? toError(closing))
      )
    }
  })
  return stream
}
