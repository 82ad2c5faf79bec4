import { availableParallelism } from 'node:os'
import type { ResourceLimits } from 'node:worker_threads'
import { canAdopt } from '../accept/stream/adopt.ts'
import { count, known, milliseconds, show } from '../arguments.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'
import { moduleURL } from './worker/module-url.ts'
import { WorkerPool } from './worker/pool.ts'
import { faceOf, type Pool } from './worker/pool-face.ts'
import type { PoolPlan } from './worker/pool-plan.ts'
import { PooledMode } from './worker/pooled-mode.ts'
import { processEnv } from './worker/process-options.ts'
import { ThreadWorker } from './worker/thread-worker.ts'

/** How {@link threads} and {@link threadPool} run their threads. */
export interface ThreadsOptions {
  /** Threads at a time: as many as the machine has cores, by default. They are started as they are needed. */
  readonly size?: number
  /** Requests at a time, over all threads: as many as there are threads, by default; more where handlers wait much. */
  readonly limit?: number
  /** Requests that a thread serves before another takes its place: `Infinity` by default. */
  readonly requestsPerThread?: number
  /** Threads that are kept ready for the next request: 1 by default. */
  readonly spares?: number
  /** Milliseconds that a thread may be silent while it has a request; then it is ended. 30 seconds by default. */
  readonly timeout?: number
  /** Milliseconds that a thread may take to load its module; then it is ended. 30 seconds by default. */
  readonly startTimeout?: number
  /** The environment of the threads: a copy of this process's by default. */
  readonly env?: Record<string, string | undefined>
  /** Bounds of a thread's memory, as `worker_threads` has them. */
  readonly resourceLimits?: ResourceLimits
}

/**
 * Serve requests in threads: for handlers that compute, which then have all cores and hold nobody up. Memory is not
 * shared.
 *
 * The handler is the default export of a module, as of {@link forked}, and all that is said there of passing, of dying and
 * of TLS holds for threads. A connection is passed as its descriptor where there are system calls, by koffi. Elsewhere, and
 * where it is encrypted or Node has read of it already, it is passed as bytes, both ways.
 *
 * Resources: `size` threads, `limit` requests; no more are pulled.
 * Errors: a failing handler becomes an outcome. A thread that throws outside of a handler, exits, or is out of memory ends
 * alone; requests that it had claimed are `aborted` with the cause `worker-gone`. Where five in a row die before they could
 * serve, and there is none that serves, the stage ends with a {@link WorkerStartError}.
 * Stopping: when the source has ended, or at `break`, threads end when they have served what they have.
 * Python: nothing; its threads share one core. For `ThreadingMixIn` see {@link parallel}.
 *
 * @param module - the handler's module: a URL, or an absolute path
 * @param options - how many, and for how long
 * @returns a stage: requests in, outcomes out, in the order in which they finish
 *
 * @example
 * // handler.js: export default (request) => request.wfile.end('served by a thread')
 * const handler = new URL('./handler.js', import.meta.url)
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const serving = pipe(server, threads(handler, { size: 2 }), drain)
 * assert.equal(await exchange(server.address), 'served by a thread')
 * await server.close()
 * await serving
 */
export function threads<R extends Request = Request>(
  module: URL | string,
  options: ThreadsOptions = {}
): Stage<R, Outcome<R>> {
  const plan = planOf('threads', module, options)
  return (source) => new PooledMode(source, new WorkerPool(plan))
}

/**
 * Threads that serve requests for any handler, in its middle: {@link forkPool}, with threads.
 *
 * Resources: as of {@link threads}. A pool that has nothing to do does not hold the process.
 * Errors: `run` rejects with the handler's.
 * Stopping: `close()`, or `await using`.
 *
 * @param module - the handler's module: a URL, or an absolute path
 * @param options - how many, and for how long
 *
 * @example
 * // hex.js: export default (request) => request.wfile.end(request.packet.toString('hex'))
 * const pool = threadPool(new URL('./hex.js', import.meta.url))
 * const server = await new UDPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const serving = pipe(server, parallel((request: DatagramRequest) => pool.run(request)), drain)
 * assert.equal(await exchangeDatagram(server.address, 'AB'), '4142')
 * await server.close()
 * await serving
 * await pool.close()
 */
export function threadPool(module: URL | string, options: ThreadsOptions = {}): Pool {
  return faceOf(new WorkerPool(planOf('threadPool', module, options)))
}

const names = [
  'size',
  'limit',
  'requestsPerThread',
  'spares',
  'timeout',
  'startTimeout',
  'env',
  'resourceLimits'
] as const satisfies readonly (keyof ThreadsOptions)[]

function planOf(what: string, module: URL | string, options: ThreadsOptions): PoolPlan {
  const url = moduleURL(what, module)
  known(what, options, names)
  const size = count('size', options.size, availableParallelism())
  const limit = count('limit', options.limit, size)
  const { resourceLimits } = options
  if (resourceLimits !== undefined && (resourceLimits === null || typeof resourceLimits !== 'object')) {
    throw new TypeError(`Option resourceLimits must be an object of numbers: got ${show(resourceLimits)}`)
  }
  const thread = { env: processEnv(options.env), resourceLimits }
  return {
    noun: 'thread',
    launch: (host) => new ThreadWorker(url, thread, host),
    passes: canAdopt() ? 'descriptors' : 'nothing',
    maxWorkers: size,
    maxInFlight: limit === Number.POSITIVE_INFINITY ? limit : Math.ceil(limit / size),
    limit,
    requestsPerWorker: count('requestsPerThread', options.requestsPerThread, Number.POSITIVE_INFINITY),
    spares: count('spares', options.spares, 1, 0),
    timeout: milliseconds('timeout', options.timeout, 30_000, 1),
    startTimeout: milliseconds('startTimeout', options.startTimeout, 30_000, 1)
  }
}
