import { serve } from '../../handler/run.ts'
import type { Outcome } from '../../outcome.ts'
import type { Request } from '../../request.ts'
import { Mode } from '../mode.ts'
import type { WorkerPool } from './pool.ts'

/** A mode whose handler is a pool. */
export class PooledMode<R extends Request> implements AsyncIterableIterator<Outcome<R>> {
  readonly #mode: Mode<R, unknown>
  readonly #endPool: () => Promise<void>
  #isLeft = false

  /**
   * @param source - the requests
   * @param pool - who serves them
   * @param owns - whether the pool ends with the mode: it has no other user
   */
  constructor(source: AsyncIterable<R> | Iterable<R>, pool: WorkerPool, owns = true) {
    this.#endPool = async () => {
      if (owns) await pool.close()
    }
    const handler = (request: R): Promise<unknown> => pool.run(request)
    this.#mode = new Mode<R, unknown>(source, {
      serve: (request, finished) => serve(request, handler, finished),
      limit: pool.limit,
      onDemand: false
    })
    pool.whenFailed((error) => this.#mode.fail(error))
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Outcome<R>, undefined>> {
    try {
      const result = await this.#mode.next()
      // Where it was left there may be work, for as long as that takes.
      if (result.done === true && !this.#isLeft) await this.#endPool()
      return result
    } catch (error) {
      await this.#endPool()
      throw error
    }
  }

  /** Give the source back, without waiting for it; wait for the requests that run, and for workers of its own. */
  async return(): Promise<IteratorResult<Outcome<R>, undefined>> {
    this.#isLeft = true
    const result = await this.#mode.return()
    await this.#endPool()
    return result
  }
}
