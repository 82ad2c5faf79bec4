import { refuseRequest } from '../handler/refuse.ts'
import { checkRequest } from '../handler/run.ts'
import { closeSource } from '../iterator/close-source.ts'
import { type Deferred, deferred } from '../iterator/deferred.ts'
import { openSource } from '../iterator/open-source.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'

const done = { done: true, value: undefined } as const

/** How a mode goes about it. */
export interface ModePlan<R extends Request, V> {
  /** Serves one request; never rejects. */
  readonly serve: (request: R) => Promise<Outcome<R, V>>
  /** Requests at once, those included whose outcome nobody has read. */
  readonly limit: number
  /** Pull a request only while somebody waits for an outcome. */
  readonly onDemand: boolean
}

/**
 * What every mode is: permits, one pull at a time, outcomes in the order in which they finish.
 *
 * A permit is taken before a request is pulled and given back when its outcome has been read; so `limit: n` never holds
 * request n + 1, and a slow reader of outcomes slows the intake.
 */
export class Mode<R extends Request, V> implements AsyncIterableIterator<Outcome<R, V>> {
  readonly #source: AsyncIterator<R> | Iterator<R>
  readonly #plan: ModePlan<R, V>
  readonly #settled: Outcome<R, V>[] = []
  readonly #parked: Deferred<IteratorResult<Outcome<R, V>, undefined>>[] = []
  #running = 0
  #pulling = false
  #left = false
  #sourceEnded = false
  #failure: { readonly error: unknown } | undefined
  #idle: Deferred<void> | undefined

  constructor(source: AsyncIterable<R> | Iterable<R>, plan: ModePlan<R, V>) {
    this.#plan = plan
    this.#source = openSource(source)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Outcome<R, V>, undefined>> {
    const outcome = this.#settled.shift()
    if (outcome !== undefined) {
      if (!this.#plan.onDemand) this.#pull()
      return Promise.resolve({ done: false, value: outcome })
    }
    if (this.#left || (this.#sourceEnded && this.#running === 0)) return this.#end()
    const reader = deferred<IteratorResult<Outcome<R, V>, undefined>>()
    this.#parked.push(reader)
    this.#pull()
    return reader.promise
  }

  /** Give the source back, without waiting for it, and wait for the requests that run. */
  async return(): Promise<IteratorResult<Outcome<R, V>, undefined>> {
    if (!this.#left) {
      this.#left = true
      if (!this.#sourceEnded) closeSource(this.#source)
      for (const reader of this.#parked.splice(0)) reader.resolve(done)
      this.#settled.length = 0
    }
    if (this.#running > 0) {
      this.#idle ??= deferred<void>()
      await this.#idle.promise
    }
    return done
  }

  #pull(): void {
    if (this.#pulling || this.#left || this.#sourceEnded) return
    if (this.#running + this.#settled.length >= this.#plan.limit) return
    if (this.#plan.onDemand && this.#parked.length === 0) return
    this.#pulling = true
    try {
      const result = this.#source.next()
      if (result instanceof Promise) result.then(this.#pulled, this.#failed)
      else Promise.resolve(result).then(this.#pulled, this.#failed)
    } catch (error) {
      this.#failed(error)
    }
  }

  readonly #pulled = (result: IteratorResult<R>): void => {
    this.#pulling = false
    if (result.done === true) {
      this.#sourceEnded = true
      this.#wake()
      return
    }
    try {
      checkRequest('A mode takes a source of requests', result.value)
    } catch (error) {
      closeSource(this.#source)
      this.#failed(error)
      return
    }
    // It arrives after the stage was left: refused, not served and not lost.
    if (this.#left) {
      void refuseRequest(result.value, 'closing')
      return
    }
    this.#running++
    void this.#plan.serve(result.value).then(this.#finished)
    this.#pull()
  }

  readonly #failed = (error: unknown): void => {
    this.#pulling = false
    this.#sourceEnded = true
    this.#failure = { error }
    this.#wake()
  }

  readonly #finished = (outcome: Outcome<R, V>): void => {
    this.#running--
    if (this.#left) {
      if (this.#running === 0) this.#idle?.resolve()
      return
    }
    const reader = this.#parked.shift()
    if (reader === undefined) this.#settled.push(outcome)
    else reader.resolve({ done: false, value: outcome })
    this.#pull()
    this.#wake()
  }

  #wake(): void {
    if (!this.#sourceEnded || this.#running > 0) return
    for (const reader of this.#parked.splice(0)) this.#end().then(reader.resolve, reader.reject)
  }

  /** The source's error, once; then the end. */
  #end(): Promise<IteratorResult<Outcome<R, V>, undefined>> {
    const failure = this.#failure
    this.#failure = undefined
    return failure === undefined || this.#left ? Promise.resolve(done) : Promise.reject(failure.error)
  }
}
