import type { Passing } from '../../accept/stream/parcel.ts'
import type { Worker, WorkerHost } from './worker.ts'

/** What a pool is made by. */
export interface PoolPlan {
  /** What its workers are called: `child`, `thread`. */
  readonly noun: string
  /** Start a worker. */
  readonly launch: (host: WorkerHost) => Worker
  /** What can be passed to a worker. */
  readonly passes: Passing
  /** Workers at a time. */
  readonly maxWorkers: number
  /** Requests of a worker at a time. */
  readonly maxInFlight: number
  /** Requests at a time. */
  readonly limit: number
  /** Requests of a worker in its life. */
  readonly requestsPerWorker: number
  /** Workers that stand by idle. */
  readonly spares: number
  /** Milliseconds that a worker that has a request may be silent. */
  readonly timeout: number
  /** Milliseconds that a worker may take to start. */
  readonly startTimeout: number
}
