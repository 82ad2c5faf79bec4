import { formatAddress } from '../address.ts'
import { AbortedError } from '../errors.ts'
import { refuseRequest } from '../handler/refuse.ts'
import { serveRequest } from '../handler/run.ts'
import { pending } from '../iterator/deferred.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'

/**
 * A request that a mode has and that is not begun: it waits for a permit, or for its key. It is held meanwhile, as one
 * that runs is: a server that closes waits for it.
 */
export class WaitingRequest<R extends Request, V> {
  readonly request: R
  readonly #begin: (request: R) => Promise<Outcome<R, V>>
  readonly #served = pending<Outcome<R, V>>()
  #over = false

  /**
   * @param request - the request
   * @param begin - serves it; never rejects
   */
  constructor(request: R, begin: (request: R) => Promise<Outcome<R, V>>) {
    this.request = request
    this.#begin = begin
    request.held = true
  }

  /** How it went, in the end. */
  get served(): Promise<Outcome<R, V>> {
    return this.#served.promise
  }

  /**
   * Where it is aborted meanwhile it ends so, by the hooks of its server, and its handler does not run.
   *
   * @param gaveUp - called then, first: it waits no more
   */
  watch(gaveUp: () => void): void {
    const { signal } = this.request
    const aborted = (): void => {
      if (this.#over) return
      this.#over = true
      gaveUp()
      // Not in the middle of the abort.
      void Promise.resolve(this.request)
        .then(serveAborted<R, V>)
        .then(this.#served.resolve)
    }
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
  }

  /** The wait is over. */
  begin(): void {
    this.#over = true
    void this.#begin(this.request).then(this.#served.resolve)
  }

  /** Nobody will serve it: the mode was left. */
  refuse(): void {
    this.#over = true
    void turnAway<R, V>(this.request).then(this.#served.resolve)
  }
}

/**
 * Serve a request that cannot be served, by all hooks of its server: what its handler would have thrown.
 *
 * @param request - the request
 * @param error - why
 */
export function serveFailed<R extends Request, V>(request: R, error: unknown): Promise<Outcome<R, V>> {
  const handler = (): never => {
    throw error
  }
  return serveRequest<R, never>(request, handler)
}

function serveAborted<R extends Request, V>(request: R): Promise<Outcome<R, V>> {
  return serveFailed<R, V>(request, request.abortReason)
}

async function turnAway<R extends Request, V>(request: R): Promise<Outcome<R, V>> {
  request.held = false
  request.server.letGo(request)
  await refuseRequest(request, 'closing')
  const why = `The request from ${formatAddress(request.clientAddress)} was refused (closing)`
  return { request, elapsed: 0, status: 'aborted', reason: new AbortedError(why, 'refused') }
}
