import { serveRequest } from '../../handler/run.ts'
import type { Outcome } from '../../outcome.ts'
import type { Request } from '../../request.ts'
import { Mode } from '../mode.ts'
import type { WorkerPool } from './pool.ts'

/** A mode whose handler is a pool of its own, which ends with it. */
export class PooledMode<R extends Request> implements AsyncIterableIterator<Outcome<R>> {
  readonly #mode: Mode<R, unknown>
  readonly #pool: WorkerPool
  #isLeft = false

  /**
   * @param source - the requests
   * @param pool - who serves them
   */
  constructor(source: AsyncIterable<R> | Iterable<R>, pool: WorkerPool) {
    this.#pool = pool
    const handler = (request: R): Promise<unknown> => pool.run(request)
    this.#mode = new Mode<R, unknown>(source, {
      serve: (request) => serveRequest(request, handler),
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
      if (result.done === true && !this.#isLeft) await this.#pool.close()
      return result
    } catch (error) {
      await this.#pool.close()
      throw error
    }
  }

  /** Give the source back, without waiting for it; wait for the requests that run, and for the workers. */
  async return(): Promise<IteratorResult<Outcome<R>, undefined>> {
    this.#isLeft = true
    const result = await this.#mode.return()
    await this.#pool.close()
    return result
  }
}
