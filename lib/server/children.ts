import { ClosedError } from '../errors.ts'
import { WorkerPool } from '../flow/worker/pool.ts'
import { faceOf, type Pool } from '../flow/worker/pool-face.ts'
import type { PoolPlan } from '../flow/worker/pool-plan.ts'
import { PooledMode } from '../flow/worker/pooled-mode.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'

// When the last request has gone a child closes what lingers, for a second, and exits; one that does not is killed.
const farewell = 3_000

/** The children of a `Forking…` server: one pool for all its loops, from the first request to the close. */
export class Children<R extends Request> {
  readonly #plan: PoolPlan
  #pool: WorkerPool | undefined
  #face: Pool | undefined
  #isClosed = false

  /** @param plan - what their pool is made by */
  constructor(plan: PoolPlan) {
    this.#plan = plan
  }

  /** Has a child serve a request: the handler of the server. */
  readonly serve = (request: R): Promise<unknown> => this.#started().run(request)

  /** The mode in which they serve. It ends where none can be started. */
  stage(): Stage<R, Outcome<R>> {
    return (source) => new PooledMode(source, this.#started(), false)
  }

  /** Those that are there, by the numbers of their processes. */
  get active(): ReadonlySet<number> {
    return this.#face?.activeChildren ?? new Set()
  }

  /** Let go of those that have nothing to do. */
  async collect(): Promise<void> {
    await this.#face?.collectChildren()
  }

  /** All requests have gone: wait for the children. */
  async release(): Promise<void> {
    this.#isClosed = true
    await this.#pool?.close({ deadline: farewell })
  }

  #started(): WorkerPool {
    if (this.#pool === undefined) {
      if (this.#isClosed) throw new ClosedError('Cannot serve: the server is closed')
      this.#pool = new WorkerPool(this.#plan)
      this.#face = faceOf(this.#pool)
    }
    return this.#pool
  }
}
