import { closeSource } from '../iterator/close-source.ts'
import { type Deferred, deferred, mayReject, pending } from '../iterator/deferred.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import { Intake } from './intake.ts'

const done = { done: true, value: undefined } as const

/** How a mode goes about it. */
export interface ModePlan<R extends Request, V> {
  /** Serves one request, and calls back, once, with how it went. */
  readonly serve: (request: R, finished: (outcome: Outcome<R, V>) => void) => void
  /** Requests at once, those included whose outcome nobody has read. */
  readonly limit: number
  /** Pull a request only while somebody waits for an outcome. */
  readonly onDemand: boolean
  /** Calls back when it is time to pull, perhaps at once: where the permits are not the mode's own. */
  readonly ask?: (pull: () => void) => void
  /** The outcome of this request was read, or will not be. */
  readonly read?: (request: R) => void
  /** The mode was left, or has ended: what `serve` has not begun it must refuse. */
  readonly leave?: () => void
}

/**
 * What every mode is: permits, one pull at a time, outcomes in the order in which they finish.
 *
 * A permit is taken before a request is pulled and given back when its outcome has been read; so `limit: n` never holds
 * request n + 1, and a slow reader of outcomes slows the intake.
 */
export class Mode<R extends Request, V> implements AsyncIterableIterator<Outcome<R, V>> {
  readonly #intake: Intake<R>
  readonly #plan: ModePlan<R, V>
  readonly #settled: Outcome<R, V>[] = []
  readonly #parked: Deferred<IteratorResult<Outcome<R, V>, undefined>>[] = []
  #running = 0
  #idle: Deferred<void> | undefined

  constructor(source: AsyncIterable<R> | Iterable<R>, plan: ModePlan<R, V>) {
    this.#plan = plan
    this.#intake = new Intake(source, {
      rule: 'A mode takes a source of requests',
      arrived: (request) => this.#begin(request),
      over: () => this.#wake()
    })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Outcome<R, V>, undefined>> {
    const outcome = this.#settled.shift()
    if (outcome !== undefined) {
      this.#plan.read?.(outcome.request)
      if (!this.#plan.onDemand) this.#pull()
      return Promise.resolve({ done: false, value: outcome })
    }
    if (this.#intake.isLeft || (this.#intake.isOver && this.#running === 0)) return this.#intake.end()
    const reader = pending<IteratorResult<Outcome<R, V>, undefined>>()
    this.#parked.push(reader)
    this.#pull()
    return reader.promise
  }

  /** Give the source back, without waiting for it, and wait for the requests that run. */
  async return(): Promise<IteratorResult<Outcome<R, V>, undefined>> {
    const intake = this.#intake
    if (!intake.isLeft) {
      intake.leave()
      if (!intake.isOver) closeSource(intake.iterator)
      for (const reader of this.#parked.splice(0)) reader.resolve(done)
      this.#plan.leave?.()
      for (const { request } of this.#settled.splice(0)) this.#plan.read?.(request)
    }
    if (this.#running > 0) {
      this.#idle ??= deferred<void>()
      await this.#idle.promise
    }
    return done
  }

  /** Nobody can serve: give the source back, and end with the error when those that run have ended. */
  fail(error: Error): void {
    this.#intake.fail(error)
  }

  #pull(): void {
    if (this.#running + this.#settled.length >= this.#plan.limit) return
    if (this.#plan.onDemand && this.#parked.length === 0) return
    if (this.#plan.ask === undefined) this.#intake.pull()
    else this.#plan.ask(() => this.#intake.pull())
  }

  #begin(request: R): void {
    this.#running++
    this.#plan.serve(request, this.#finished)
    this.#pull()
  }

  readonly #finished = (outcome: Outcome<R, V>): void => {
    this.#running--
    if (this.#intake.isLeft) {
      this.#plan.read?.(outcome.request)
      if (this.#running === 0) this.#idle?.resolve()
      return
    }
    const reader = this.#parked.shift()
    if (reader === undefined) this.#settled.push(outcome)
    else {
      reader.resolve({ done: false, value: outcome })
      this.#plan.read?.(outcome.request)
    }
    this.#pull()
    this.#wake()
  }

  #wake(): void {
    if (!this.#intake.isOver || this.#running > 0) return
    this.#plan.leave?.()
    for (const reader of this.#parked.splice(0)) {
      mayReject(reader.promise)
      this.#intake.end().then(reader.resolve, reader.reject)
    }
  }
}
