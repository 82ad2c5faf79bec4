import { Duplex } from 'node:stream'
import { ClosedError } from '../errors.ts'
import { toError } from '../outcome.ts'
import type { Request } from '../request.ts'

/**
 * A request as a Node stream. Destroying the stream with an error aborts the request, without one closes it.
 *
 * @param request - the request; its rfile and wfile are the stream's from now on
 */
export function nodeStream(request: Request): Duplex {
  let closing = false
  request.whenClosed(() => {
    closing = true
  })
  const stream = new Duplex({
    read() {
      request.rfile.read().then(
        (bytes) => stream.push(bytes ?? null),
        // The handler may end while the stream reads ahead: that is no error.
        (error: unknown) => stream.destroy(error instanceof ClosedError ? undefined : toError(error))
      )
    },
    // Whoever is called back may use the memory again.
    write(bytes: Uint8Array, _encoding, done) {
      request.wfile.write(Buffer.from(bytes)).then(() => done(), done)
    },
    final(done) {
      request.wfile.end().then(() => done(), done)
    },
    destroy(error, done) {
      if (error !== null && !closing) request.abort(error)
      request.close().then(
        () => done(error),
        (failure: unknown) => done(error ?? toError(failure))
      )
    }
  })
  return stream
}
