import { count, known } from '../arguments.ts'
import { checkHandler, type Handler, serveRequest } from '../handler/run.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'
import { Mode } from './mode.ts'

/** How {@link parallel} serves. */
export interface ParallelOptions {
  /** Requests at a time: 40 by default; `Infinity` for no bound. Python's `max_children`. */
  readonly limit?: number
}

/**
 * Serve up to `limit` requests at a time, on this thread, with shared memory.
 *
 * Resources: a request is pulled only when a permit is free, and closed when its work ends; a permit is free again when
 * the outcome was read.
 * Errors: a throwing handler becomes an outcome; a source that throws ends the stage after the running work.
 * Stopping: `break` gives the source back without waiting for it, then waits for the running work.
 * Python: `ThreadingMixIn.process_request`.
 *
 * @param handler - a handler class or function
 * @param options - the limit
 * @returns a stage: requests in, outcomes out, in the order in which they finish
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const serving = pipe(server, parallel((request: Request) => pipe(request, request), { limit: 2 }), drain)
 * assert.equal(await exchange(server.address, 'ping'), 'ping')
 * await server.close()
 * await serving
 */
export function parallel<R extends Request = Request, V = unknown>(
  handler: Handler<R, V>,
  options: ParallelOptions = {}
): Stage<R, Outcome<R, Awaited<V>>> {
  checkHandler(handler)
  known('parallel', options, ['limit'])
  const limit = count('limit', options.limit, 40)
  return (source) => new Mode(source, { serve: (request) => serveRequest(request, handler), limit, onDemand: false })
}
