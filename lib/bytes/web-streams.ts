import type { ReadableStream, WritableStream } from 'node:stream/web'
import type { Request } from '../request.ts'

/** A request as the two streams of the web platform. */
export interface WebStreams {
  /** The input. Cancelling it aborts the request. */
  readonly readable: ReadableStream<Uint8Array>
  /** The output. Aborting it aborts the request. */
  readonly writable: WritableStream<Uint8Array>
}

/**
 * A request as web streams.
 *
 * @param request - the request; its rfile and wfile are the streams' from now on
 */
export function webStreams(request: Request): WebStreams {
  const web = process.getBuiltinModule('node:stream/web')
  const readable = new web.ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await request.rfile.read()
        if (bytes === undefined) controller.close()
        else controller.enqueue(bytes)
      },
      cancel: (reason) => request.abort(reason)
    },
    { highWaterMark: 0 }
  )
  const writable = new web.WritableStream<Uint8Array>({
    // Whoever is called back may use the memory again.
    write: (bytes) => request.wfile.write(Buffer.from(bytes)),
    close: () => request.wfile.end(),
    abort: (reason) => request.abort(reason)
  })
  return { readable, writable }
}
