import { known, show } from '../arguments.ts'
import { checkHandler, type Handler, serve, serveRequest } from '../handler/run.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'
import { KeyOrder } from './key-order.ts'
import { Mode, type ModePlan } from './mode.ts'
import { limitOption, type Semaphore } from './semaphore.ts'
import { Turnstile } from './turnstile.ts'

/** How {@link parallel} serves. */
export interface ParallelOptions<R extends Request = Request> {
  /**
   * Requests at a time: 40 by default; `Infinity` for no bound; a {@link Semaphore} for a limit that changes while it is in
   * force, or that several modes share. Python's `max_children`.
   */
  readonly limit?: number | Semaphore
  /**
   * What requests must have in common to be served one after the other, in the order in which they came: the table that
   * they write, the client they come from. Keys are told apart as by a `Map`; `undefined` is a key as any other. Called once
   * for each request, before its work.
   */
  readonly key?: (request: R) => unknown
}

/**
 * Serve up to `limit` requests at a time, on this thread, with shared memory.
 *
 * Resources: a request is pulled only when a permit is free, and closed when its work ends; a permit is free again when
 * the outcome was read. With a `key`, a request that waits for those before it has its permit: where all permits are with
 * requests of one key, the others wait. What is known of a key is forgotten with its last request.
 * Errors: a throwing handler becomes an outcome; a source that throws ends the stage after the running work. A `key` that
 * throws, or that returns a promise (a `TypeError`), is the outcome of that request, which is not run, and holds nobody up.
 * Stopping: `break` gives the source back without waiting for it, refuses the requests that wait for their key, or for a
 * permit of a shared semaphore, then waits for the running work. A request that is aborted while it waits (its peer has
 * gone, the deadline of the close has come) ends so at once: its handler is not run, and those before it are not waited for.
 * Python: `ThreadingMixIn.process_request`.
 *
 * @param handler - a handler class or function
 * @param options - the limit, and the key
 * @returns a stage: requests in, outcomes out, in the order in which they finish
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const serving = pipe(server, parallel((request: Request) => pipe(request, request), { limit: 2 }), drain)
 * assert.equal(await exchange(server.address, 'ping'), 'ping')
 * await server.close()
 * await serving
 *
 * @example
 * const log: string[] = []
 * const table = ['ada 1', 'bob 1', 'ada 2', 'bob 2']
 * class Rows extends BaseServer<MessageRequest> {
 *   override getRequest () {
 *     const packet = table.shift()
 *     return packet === undefined ? undefined : new MessageRequest({ server: this, packet })
 *   }
 * }
 * const keep = ({ packet }: MessageRequest) => log.push(packet.toString())
 * const key = ({ packet }: MessageRequest) => packet.toString().split(' ')[0]
 * await pipe(new Rows(), parallel(keep, { limit: 4, key }), drain)
 * assert.deepEqual(log.filter((row) => row.startsWith('ada')), ['ada 1', 'ada 2'])
 */
export function parallel<R extends Request = Request, V = unknown>(
  handler: Handler<R, V>,
  options: ParallelOptions<R> = {}
): Stage<R, Outcome<R, Awaited<V>>> {
  checkHandler(handler)
  known('parallel', options, ['limit', 'key'])
  const { key } = options
  if (key !== undefined && typeof key !== 'function') {
    throw new TypeError(`Option key must be a function: got ${show(key)}`)
  }
  const limit = limitOption(options.limit, 40)
  return (source) => {
    if (typeof limit === 'number' && key === undefined) {
      return new Mode(source, {
        serve: (request, finished) => serve(request, handler, finished),
        limit,
        onDemand: false
      })
    }
    const one = (request: R): Promise<Outcome<R, Awaited<V>>> => serveRequest(request, handler)
    const order = key === undefined ? undefined : new KeyOrder(key, one)
    const inOrder = order === undefined ? one : (request: R) => order.serve(request)
    if (typeof limit !== 'number') return new Mode(source, shared(limit, source, inOrder, order))
    return new Mode(source, { serve: told(inOrder), limit, onDemand: false, leave: () => order?.leave() })
  }
}

type Serve<R extends Request, V> = (request: R) => Promise<Outcome<R, V>>

function told<R extends Request, V>(serveOne: Serve<R, V>): ModePlan<R, V>['serve'] {
  return (request, finished) => void serveOne(request).then(finished)
}

// The permit first, then the key: one that waits for its key has its permit.
function shared<R extends Request, V>(
  semaphore: Semaphore,
  source: object,
  inOrder: Serve<R, V>,
  order: KeyOrder<R, V> | undefined
): ModePlan<R, V> {
  const turnstile = new Turnstile<R, V>(semaphore, source)
  return {
    serve: told((request) => turnstile.serve(request, inOrder)),
    limit: Number.POSITIVE_INFINITY,
    onDemand: false,
    ask: (pull) => turnstile.ask(pull),
    read: (request) => turnstile.read(request),
    leave: () => {
      turnstile.leave()
      order?.leave()
    }
  }
}
