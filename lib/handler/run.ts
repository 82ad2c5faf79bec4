import { performance } from 'node:perf_hooks'
import { begin, end, wasCut } from '../accept/request/life.ts'
import { show } from '../arguments.ts'
import { type AbortCause, AbortedError, BusyError } from '../errors.ts'
import { mayReject, rejection, settled } from '../iterator/deferred.ts'
import { type Outcome, type Settlement, toError } from '../outcome.ts'
import type { Request, Work } from '../request.ts'
import { BaseRequestHandler, handlerBrand } from './base.ts'

/** A class that extends {@link BaseRequestHandler}. */
export type HandlerClass<R extends Request = Request> = new (request: R) => BaseRequestHandler
/** A function that serves a request; what it returns is the `value` of the outcome. */
export type HandlerFunction<R extends Request = Request, V = unknown> = (request: R) => V
/** What serves a request. Python: `RequestHandlerClass`. */
export type Handler<R extends Request = Request, V = unknown> = HandlerClass<R> | HandlerFunction<R, V>

/** Whether something is a handler class. */
export function isHandlerClass<R extends Request>(
  handler: Handler<R> | ((...given: never) => unknown)
): handler is HandlerClass<R> {
  return handler.prototype !== undefined && handlerBrand in handler.prototype
}

/**
 * Check that something is a handler, where it is given and not where it is first used.
 *
 * @param handler - a class or a function
 */
export function checkHandler(handler: unknown): void {
  if (typeof handler !== 'function') {
    throw new TypeError(`A handler must be a function or a class that extends BaseRequestHandler: got ${show(handler)}`)
  }
  if (!isHandlerClass(handler as Handler) && /^class\b/.test(Function.prototype.toString.call(handler))) {
    throw new TypeError(`A handler class must extend BaseRequestHandler: ${handler.name || 'the class'} does not`)
  }
}

function hasCause(reason: Error, cause: AbortCause): boolean {
  return reason instanceof AbortedError && reason.cause === cause
}

// What an override returns: a promise, or nothing.
type Processing = Promise<unknown> | undefined

const notRun = 'The request was refused: processRequest() did not run its work'

/**
 * Check that something is a request, before anything is done with it.
 *
 * @param rule - what should have come
 * @param given - what came
 */
export function checkRequest(rule: string, given: unknown): asserts given is Request {
  if (!isRequest(given)) throw new TypeError(`${rule}: got ${show(given)}`)
}

/** Whether something is a request. */
export function isRequest(given: unknown): given is Request {
  const request = given as Partial<Request> | null | undefined
  return typeof request?.close === 'function' && typeof request.server?.processRequest === 'function'
}

/** Who is told when a service has ended, or where a hook of its server that must not throw has thrown. */
interface Told<R extends Request, V> {
  readonly finished: (outcome: Outcome<R, Awaited<V>>) => void
  /** Left out by whoever has nobody to tell: then it is an unhandled rejection. */
  readonly failed?: (error: unknown) => void
}

type Hook = (...given: never) => unknown

/** The hooks in which a request is served. */
interface Ways {
  readonly processRequest: Hook
  readonly finishRequest?: Hook
}

const plain = new WeakSet<Hook>()

/**
 * Say of the hooks of a class that they run the work of a request, and nothing else: where a server has no others, its
 * requests wait in less memory.
 */
export function arePlain(hooks: object): void {
  const { processRequest, finishRequest } = hooks as Required<Ways>
  plain.add(processRequest).add(finishRequest)
}

/** Whether something beside the work may run, or the work in a context of its own. */
function hasOwnWays(server: object): boolean {
  const { processRequest, finishRequest } = server as Ways
  return !plain.has(processRequest) || finishRequest === undefined || !plain.has(finishRequest)
}

function rejected(thrown: unknown): Settlement {
  try {
    return { status: 'rejected', reason: toError(thrown) }
  } catch (error) {
    // It can't even be shown.
    return { status: 'rejected', reason: toError(error) }
  }
}

/**
 * One request's life: its work (setup → handle → finish, once), between the hooks of its server.
 *
 * While the handler is at work nothing but this object waits for it: each function that waited would take half a kilobyte of
 * a parked request, and there may be many thousands.
 */
class Service<R extends Request, V> implements Work {
  readonly #request: R
  readonly #handler: Handler<R, V>
  readonly #told: Told<R, V>
  readonly #begun = performance.now()
  #running: Promise<unknown> | undefined
  // Whether processRequest has returned.
  #wasAsked = false
  // Its end is asked for when it comes. Not where the server has its own ways: whoever asks then asks in their context.
  #isWatchedLate = false

  constructor(request: R, handler: Handler<R, V>, told: Told<R, V>) {
    this.#request = request
    this.#handler = handler
    this.#told = told
  }

  serve(): void {
    const request = this.#request
    request.held = true
    begin(request)
    const gone = request.abortReason
    // Of whoever was cut off before their turn a closing server knows no more: it would neither wait for the handler, nor
    // tell of it.
    if (gone !== undefined) {
      this.#end({ status: 'aborted', reason: gone })
      return
    }
    let processing: Processing
    try {
      processing = request.server.processRequest(request, this) as Processing
    } catch (thrown) {
      processing = rejection(thrown)
    }
    this.#wasAsked = true
    const running = this.#running
    if (running !== undefined && processing === running) {
      // As a rule it has run the work, and nothing else: then the end of the one is that of the other.
      if (hasOwnWays(request.server)) this.#watch(running)
      else this.#isWatchedLate = true
    } else {
      if (running !== undefined) mayReject(running)
      void this.#process(processing).then((settlement) => this.#end(settlement))
    }
  }

  run(): Promise<unknown> {
    if (this.#running !== undefined) return rejection(new BusyError('Cannot run the work of a request twice'))
    this.#running = this.#work()
    // A processRequest that forgets to return it must not end the process: the outcome tells.
    if (this.#wasAsked) mayReject(this.#running)
    return this.#running
  }

  async #process(processing: Processing): Promise<Settlement> {
    try {
      if (processing !== undefined) await processing
    } catch (thrown) {
      await this.#ended()
      return rejected(thrown)
    }
    return this.#ended()
  }

  /** How the work went, when it has ended: also where `processRequest` did not wait for it, or did not run it. */
  async #ended(): Promise<Settlement> {
    if (this.#running === undefined) {
      // From now on it can't be run any more.
      this.#running = settled
      return { status: 'aborted', reason: new AbortedError(notRun, 'refused') }
    }
    try {
      return { status: 'fulfilled', value: await this.#running }
    } catch (thrown) {
      return rejected(thrown)
    }
  }

  // Not an async function: one of those that waits keeps twice as much.
  #work(): Promise<unknown> {
    // There as soon as it is set up: from then on it is to finish.
    let instance: BaseRequestHandler | undefined
    let handling: unknown
    try {
      const handler = this.#handler
      if (isHandlerClass(handler)) {
        const made = checkHandle(new handler(this.#request))
        made.configure()
        const setting = made.setup()
        if (setting === undefined) {
          instance = made
          handling = made.handle()
        } else {
          handling = Promise.resolve(setting).then(() => {
            instance = made
            return made.handle()
          })
        }
      } else handling = (handler as HandlerFunction<R>)(this.#request)
    } catch (thrown) {
      handling = rejection(thrown)
    }
    return Promise.resolve(handling).then(
      (value) => {
        this.#workEnds()
        return this.#handled(instance, value)
      },
      (thrown: unknown) => {
        this.#workEnds()
        return this.#failed(instance, thrown)
      }
    )
  }

  #workEnds(): void {
    if (this.#isWatchedLate) this.#watch(this.#running as Promise<unknown>)
  }

  #watch(running: Promise<unknown>): void {
    running.then(
      (value) => this.#end({ status: 'fulfilled', value }),
      (thrown: unknown) => this.#end(rejected(thrown))
    )
  }

  // What it rejects with is an Error, whatever was thrown: a processRequest that waits for it may look at it.
  #handled(instance: BaseRequestHandler | undefined, value: unknown): unknown {
    const fail = (thrown: unknown): never => {
      throw toError(thrown)
    }
    try {
      const finishing = instance?.finish()
      return finishing === undefined
        ? checkValue(value)
        : Promise.resolve(finishing).then(() => checkValue(value), fail)
    } catch (thrown) {
      return fail(thrown)
    }
  }

  async #failed(instance: BaseRequestHandler | undefined, thrown: unknown): Promise<never> {
    try {
      await instance?.finish()
    } catch (later) {
      // The first error is the outcome; the second must not hide it.
      await this.#request.server.noteError(later, this.#request)
    }
    throw toError(thrown)
  }

  #end(settlement: Settlement): void {
    const ended = this.#conclude(settlement)
    if (this.#told.failed !== undefined) ended.catch(this.#told.failed)
  }

  /** The work has ended: close the request, and tell how it went. */
  async #conclude(work: Settlement): Promise<void> {
    const request = this.#request
    const { server, abortReason } = request
    let settlement = work
    // A peer that leaves after its handler has ended well was served; where it missed something, the close will tell.
    if (abortReason !== undefined && !(settlement.status === 'fulfilled' && hasCause(abortReason, 'peer-gone'))) {
      settlement = { status: 'aborted', reason: abortReason }
    } else if (
      settlement.status === 'rejected' &&
      request.ranBy !== undefined &&
      hasCause(settlement.reason, 'worker-gone')
    ) {
      // A connection that had ended before can't be aborted any more; what served it has not ended, all the same.
      settlement = { status: 'aborted', reason: settlement.reason }
    }
    if (settlement.status !== 'fulfilled' && !hasCause(settlement.reason, 'refused')) {
      await server.noteError(settlement.reason, request)
    }
    try {
      const closing = server.closeRequest(request, settlement)
      if (closing !== undefined) await closing
    } catch (thrown) {
      const reason = toError(thrown)
      if (settlement.status === 'fulfilled') {
        const aborted = reason instanceof AbortedError || request.abortReason !== undefined
        settlement = { status: aborted ? 'aborted' : 'rejected', reason }
      }
      if (reason !== abortReason) await server.noteError(reason, request)
      request.abort(reason)
    }
    const elapsed = performance.now() - this.#begun
    const { ranBy } = request
    const outcome = (
      ranBy === undefined ? { request, elapsed, ...settlement } : { request, elapsed, ...settlement, ranBy }
    ) as Outcome<R, Awaited<V>>
    end(outcome)
    request.held = false
    // What was cut off at the deadline has been counted then.
    if (wasCut(request)) server.letGo(request)
    else server.workEnded(outcome)
    this.#told.finished(outcome)
  }
}

function checkValue(value: unknown): unknown {
  if (typeof value === 'object' && Object.prototype.toString.call(value) === '[object AsyncGenerator]') {
    throw new TypeError('Cannot serve: the handler is a generator; through() makes a handler of a transform')
  }
  return value
}

function checkHandle(instance: BaseRequestHandler): BaseRequestHandler {
  if (instance.handle !== BaseRequestHandler.prototype.handle) return instance
  throw new TypeError(`Cannot serve: ${instance.constructor.name || 'the handler class'} has no handle()`)
}

/**
 * The life of one request, by the hooks of its server: processRequest (which runs the work), handleError where it went
 * wrong, closeRequest always. What a mode does for each request.
 *
 * @param request - the request
 * @param handler - who serves it
 * @param finished - called once, with how it went
 */
export function serve<R extends Request, V>(
  request: R,
  handler: Handler<R, V>,
  finished: (outcome: Outcome<R, Awaited<V>>) => void
): void {
  new Service(request, handler, { finished }).serve()
}

/**
 * The same, for whoever waits for one: see {@link serve}.
 *
 * @param request - the request
 * @param handler - who serves it
 * @returns how it went; rejects only where a hook of the server that must not throw has thrown
 */
export function serveRequest<R extends Request, V>(
  request: R,
  handler: Handler<R, V>
): Promise<Outcome<R, Awaited<V>>> {
  return new Promise((finished, failed) => new Service(request, handler, { finished, failed }).serve())
}
