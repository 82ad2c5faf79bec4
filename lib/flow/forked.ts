import { hasChannels } from '../accept/native/descriptor-channel.ts'
import { count, known, milliseconds } from '../arguments.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'
import { ChildWorker } from './worker/child-worker.ts'
import { moduleURL } from './worker/module-url.ts'
import { PassedChild } from './worker/passed-child.ts'
import { WorkerPool } from './worker/pool.ts'
import { faceOf, type Pool } from './worker/pool-face.ts'
import type { PoolPlan } from './worker/pool-plan.ts'
import { PooledMode } from './worker/pooled-mode.ts'
import { processEnv, processFlags } from './worker/process-options.ts'

/** How {@link forked} and {@link forkPool} run their child processes. */
export interface ForkOptions {
  /** Children at a time: 40 by default. They are started as they are needed. Python's `max_children`. */
  readonly maxChildren?: number
  /** Requests that a child serves before another takes its place: `Infinity` by default; 1 is Python's fork per request. */
  readonly requestsPerChild?: number
  /** Requests that a child serves at a time: 1 by default, so that a crash ends one request only. */
  readonly maxRequestsPerChildInFlight?: number
  /** Children that are kept ready for the next request: 1 by default. */
  readonly spares?: number
  /** Milliseconds that a child may be silent while it has a request; then it is killed. 30 seconds by default. */
  readonly timeout?: number
  /** Milliseconds that a child may take to load its module; then it is killed. 30 seconds by default. */
  readonly startTimeout?: number
  /** The environment of the children: this process's by default. */
  readonly env?: Record<string, string | undefined>
  /** Node's options for the children: this process's by default, but for its debugger and for a program in them (`--eval`). */
  readonly execArgv?: readonly string[]
}

/**
 * Serve requests in child processes: a crash, a leak or an endless loop of a handler is a child's, and a handler that
 * computes has a core of its own.
 *
 * The handler is the default export of a module: a handler class, or a function. A connection is passed as its socket; a
 * datagram, a frame and any other message as bytes, both ways. Nothing is lost where a child dies: a request that it had
 * not claimed is served by another, one that it had is `aborted` with the cause `worker-gone`. Where the module exports a
 * function `secureContext`, which returns options of TLS, connections are encrypted in the child; those of a `TLSServer`
 * come there decrypted. A socket that the handler has detached is served until it has closed. `request.server` is a
 * stand-in there, which counts what the child does and can be closed.
 *
 * Resources: `maxChildren` processes, and as many requests for each as it may serve at a time; no more are pulled.
 * Errors: a failing handler becomes an outcome, with its error's name, message, code and stack. Where five children in a row
 * die before they could serve, and there is none that serves, the stage ends with a {@link WorkerStartError} that shows what
 * the last one said.
 * A child that says by its channel what makes no sense there (its module may have written to it), or more than 256 MiB in
 * one go (a value that its handler returned, say), is killed.
 * Stopping: when the source has ended, or at `break`, children end when they have served what they have. They ignore
 * SIGINT and SIGTERM, and end with this process, however that ends; one that is stuck in a loop only where there are system
 * calls, by koffi: else it is left behind where this process is killed.
 * Python: `ForkingMixIn`.
 *
 * @param module - the handler's module: a URL, or an absolute path
 * @param options - how many, and for how long
 * @returns a stage: requests in, outcomes out, in the order in which they finish
 *
 * @example
 * // handler.js: export default (request) => request.wfile.end('served by a child')
 * const handler = new URL('./handler.js', import.meta.url)
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const serving = pipe(server, forked(handler, { maxChildren: 2 }), drain)
 * assert.equal(await exchange(server.address), 'served by a child')
 * await server.close()
 * await serving
 */
export function forked<R extends Request = Request>(
  module: URL | string,
  options: ForkOptions = {}
): Stage<R, Outcome<R>> {
  const plan = forkPlan('forked', module, options)
  return (source) => new PooledMode(source, new WorkerPool(plan))
}

/**
 * Child processes that serve requests for any handler, in its middle: Python's advice to do a part at once and to finish
 * in a child, depending on the request. See {@link forked} for what runs in them, and {@link Pool} for what it can do.
 *
 * Resources: as of {@link forked}. A pool that has nothing to do does not hold the process.
 * Errors: `run` rejects with the handler's.
 * Stopping: `close()`, or `await using`.
 *
 * @param module - the handler's module: a URL, or an absolute path
 * @param options - how many, and for how long
 *
 * @example
 * // heavy.js: export default (request) => request.wfile.end('heavy work done')
 * const heavy = forkPool(new URL('./heavy.js', import.meta.url))
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }, async (request: StreamRequest) => {
 *   const line = await request.rfile.readLine({ chomp: true })
 *   if (String(line) === 'heavy') await heavy.run(request)
 *   else await request.wfile.end('light work done')
 * }).listen()
 * const serving = server.serveForever()
 * assert.equal(await exchange(server.address, 'heavy\n'), 'heavy work done')
 * assert.equal(await exchange(server.address, 'light\n'), 'light work done')
 * await server.close()
 * await heavy.close()
 */
export function forkPool(module: URL | string, options: ForkOptions = {}): Pool {
  return faceOf(new WorkerPool(forkPlan('forkPool', module, options)))
}

/** The names of {@link ForkOptions}. */
export const forkOptionNames = [
  'maxChildren',
  'requestsPerChild',
  'maxRequestsPerChildInFlight',
  'spares',
  'timeout',
  'startTimeout',
  'env',
  'execArgv'
] as const satisfies readonly (keyof ForkOptions)[]

/**
 * What a pool of child processes is made by, checked.
 *
 * @param what - who wants it, for the sentences of errors
 * @param module - the handler's module
 * @param options - how many, and for how long
 */
export function forkPlan(what: string, module: URL | string, options: ForkOptions): PoolPlan {
  const url = moduleURL(what, module)
  known(what, options, forkOptionNames)
  const maxWorkers = count('maxChildren', options.maxChildren, 40)
  const maxInFlight = count('maxRequestsPerChildInFlight', options.maxRequestsPerChildInFlight, 1)
  const requestsPerWorker = count('requestsPerChild', options.requestsPerChild, Number.POSITIVE_INFINITY)
  const child = { env: processEnv(options.env), execArgv: processFlags(options.execArgv) }
  const isNative = hasChannels()
  return {
    noun: 'child',
    launch: (host) => (isNative ? new PassedChild(url, child, host) : new ChildWorker(url, child, host)),
    passes: isNative ? 'descriptors' : 'sockets',
    maxWorkers,
    maxInFlight,
    limit: maxWorkers * Math.min(maxInFlight, requestsPerWorker),
    requestsPerWorker,
    spares: count('spares', options.spares, 1, 0),
    timeout: milliseconds('timeout', options.timeout, 30_000, 1),
    startTimeout: milliseconds('startTimeout', options.startTimeout, 30_000, 1)
  }
}
