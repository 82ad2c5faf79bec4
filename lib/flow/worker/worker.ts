import type { Parcel } from '../../accept/stream/parcel.ts'
import type { Runner } from '../../outcome.ts'
import type { Job } from './job.ts'
import type { PoolMessage, WorkerMessage } from './messages.ts'
import type { Messenger } from './messenger.ts'

/** Who is told what becomes of a worker. */
export interface WorkerHost {
  /** It says something. */
  heard(worker: Worker, message: WorkerMessage): void
  /** It has died, and all that it had said was heard. */
  gone(worker: Worker, how: string): void
}

/** A child process or a thread, as its pool sees it. */
export abstract class Worker implements Messenger {
  readonly host: WorkerHost
  /** The requests that it has, by their numbers: offered, or its own. */
  readonly jobs = new Map<number, Job>()
  /** Those that it was offered and has not claimed. */
  readonly offered = new Set<Job>()
  /** Whether it has loaded its module. */
  isReady = false
  /** When it had, in milliseconds of `performance.now()`. */
  readyAt = 0
  /** Whether it has ever claimed a request. */
  hasTaken = false
  /** Whether it gets nothing more: it has served its number, or the pool is closing. */
  isLeaving = false
  /** Requests that it was given so far. */
  served = 0
  /** Signs of life that it was asked for since it was last heard of. */
  unanswered = 0
  /** Till when it gets nothing: it could not take a socket. */
  restsUntil = 0
  /** How often in a row it could not, while it had nothing else to do. */
  misses = 0
  /** Whether it has said what can't be: it is being ended, and nothing but a claim is believed any more. */
  isBroken = false
  /** What it has said of its end. */
  lastWords: Error | undefined
  /** The servers that it knows. */
  readonly servers = new Set<number>()

  /** @param host - who is told what becomes of it */
  constructor(host: WorkerHost) {
    this.host = host
  }

  /** How many it may be offered before it claims one. */
  abstract readonly mostOffered: number
  abstract readonly runner: Runner
  abstract readonly passesBy: 'socket' | 'descriptor'
  abstract send(message: PoolMessage, parcel?: Parcel): void
  /** End it, whatever it does. */
  abstract kill(): void
  /** Hold the process as long as it lives, or not. */
  abstract hold(on: boolean): void
}
