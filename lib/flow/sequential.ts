import { checkHandler, type Handler, serve } from '../handler/run.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'
import { Mode } from './mode.ts'

/**
 * Serve one request at a time: the next one is pulled when the outcome of the last was read and another is asked for.
 *
 * Resources: one request; all others wait where the server keeps them.
 * Errors: a throwing handler becomes an outcome; a source that throws ends the stage with its error.
 * Stopping: `break` gives the source back without waiting for it, then waits for the running request.
 * Python: `BaseServer` without a mix-in.
 *
 * @param handler - a handler class or function
 * @returns a stage: requests in, outcomes out
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const answer = exchange(server.address, 'ping')
 * for await (const outcome of sequential((request) => pipe(request, request))(server)) {
 *   assert.equal(outcome.status, 'fulfilled')
 *   break
 * }
 * assert.equal(await answer, 'ping')
 */
export function sequential<R extends Request = Request, V = unknown>(
  handler: Handler<R, V>
): Stage<R, Outcome<R, Awaited<V>>> {
  checkHandler(handler)
  return (source) =>
    new Mode(source, { serve: (request, finished) => serve(request, handler, finished), limit: 1, onDemand: true })
}
