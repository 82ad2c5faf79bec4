import { mayReject } from '../iterator/deferred.ts'
import { isPromiseLike } from '../iterator/promise-like.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import { serveFailed, WaitingRequest } from './waiting-request.ts'

/** Those of one key who wait for the one that is at work. */
interface Line<R extends Request, V> {
  waiting: Set<WaitingRequest<R, V>> | undefined
}

/** Serves the requests of one key in the order in which they came, and keys side by side. */
export class KeyOrder<R extends Request, V> {
  readonly #keyOf: (request: R) => unknown
  readonly #begin: (request: R) => Promise<Outcome<R, V>>
  // There while a request of the key is at work.
  readonly #lines = new Map<unknown, Line<R, V>>()

  /**
   * @param keyOf - the key of a request
   * @param begin - serves a request; never rejects
   */
  constructor(keyOf: (request: R) => unknown, begin: (request: R) => Promise<Outcome<R, V>>) {
    this.#keyOf = keyOf
    this.#begin = begin
  }

  /** How many keys have a request. */
  get size(): number {
    return this.#lines.size
  }

  /**
   * Serve a request when those of its key that came before have been served.
   *
   * @param request - the request
   */
  serve(request: R): Promise<Outcome<R, V>> {
    let key: unknown
    try {
      key = this.#keyOf(request)
      if (isPromiseLike(key)) {
        mayReject(Promise.resolve(key))
        throw new TypeError('Option key must return the key itself: got a promise, of which no two are the same')
      }
    } catch (error) {
      return serveFailed(request, error)
    }
    const line = this.#lines.get(key)
    if (line !== undefined) return this.#wait(request, key, line)
    const fresh = { waiting: undefined }
    this.#lines.set(key, fresh)
    return this.#run(request, key, fresh)
  }

  /** The mode was left: those who wait are refused. */
  leave(): void {
    for (const line of this.#lines.values()) {
      const { waiting } = line
      line.waiting = undefined
      if (waiting !== undefined) for (const request of waiting) request.refuse()
    }
  }

  #wait(request: R, key: unknown, line: Line<R, V>): Promise<Outcome<R, V>> {
    const waiting = new WaitingRequest(request, (guest: R) => this.#run(guest, key, line))
    line.waiting ??= new Set()
    line.waiting.add(waiting)
    waiting.watch(() => line.waiting?.delete(waiting))
    return waiting.served
  }

  async #run(request: R, key: unknown, line: Line<R, V>): Promise<Outcome<R, V>> {
    const outcome = await this.#begin(request)
    const [next] = line.waiting ?? []
    if (next === undefined) this.#lines.delete(key)
    else {
      line.waiting?.delete(next)
      next.begin()
    }
    return outcome
  }
}
