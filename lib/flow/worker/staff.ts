import { performance } from 'node:perf_hooks'
import type { WorkerStartError } from '../../errors.ts'
import { workerLife } from '../../events.ts'
import { toError } from '../../outcome.ts'
import type { PoolPlan } from './pool-plan.ts'
import { StartTrouble } from './start-trouble.ts'
import { Watchdog } from './watchdog.ts'
import type { Worker, WorkerHost } from './worker.ts'

// A worker that could not take a socket has too many: it gets nothing for this long.
const rest = 100

// Times in a row that an idle worker may have no room for a connection: those that it had may linger for a second.
const mostMisses = 20

// A worker that has loaded its module and dies within so many milliseconds, before it has claimed anything, is one that
// could not be started: its module fails a moment later, as one does whose database is not there.
const probation = 5_000

// Milliseconds that a worker has to go when its last request has been served: a connection may linger for a second.
const farewell = 3_000

/** Who is told what becomes of the staff. */
export interface StaffHost extends WorkerHost {
  /** A worker can be started again, or has rested: is there work for it? */
  goOn(): void
  /** None can be started. */
  givenUp(error: WorkerStartError): void
}

/** The workers of a pool: starts as many as there is work for, and lets them go. */
export class Staff {
  readonly #plan: PoolPlan
  readonly #host: StaffHost
  readonly #workers = new Set<Worker>()
  readonly #trouble: StartTrouble
  readonly #watchdog: Watchdog
  readonly #leaving = new Map<Worker, (() => void)[]>()
  #hasGivenUp = false

  /**
   * @param plan - what the pool is made by
   * @param host - who is told what becomes of them
   */
  constructor(plan: PoolPlan, host: StaffHost) {
    this.#plan = plan
    this.#host = host
    this.#trouble = new StartTrouble(plan.noun, () => host.goOn())
    this.#watchdog = new Watchdog(this.#workers, plan.timeout)
  }

  /** How many there are. */
  get size(): number {
    return this.#workers.size
  }

  [Symbol.iterator](): Iterator<Worker> {
    return this.#workers.values()
  }

  /** A worker that has room; of several the one that has least to do. */
  freest(): Worker | undefined {
    const { maxInFlight, requestsPerWorker, limit } = this.#plan
    let best: Worker | undefined
    let now = 0
    let inFlight = 0
    for (const worker of this.#workers) {
      const { jobs, offered } = worker
      inFlight += jobs.size
      if (
        !worker.isReady ||
        worker.isLeaving ||
        worker.isBroken ||
        offered.size >= worker.mostOffered ||
        jobs.size >= maxInFlight
      )
        continue
      if (worker.served >= requestsPerWorker) continue
      if (worker.restsUntil > 0) {
        now ||= performance.now()
        if (worker.restsUntil > now) continue
        worker.restsUntil = 0
      }
      if (best === undefined || jobs.size < best.jobs.size) best = worker
    }
    return inFlight < limit ? best : undefined
  }

  /** Start as many as there is work for, and those that stand by. */
  ensure(queued: number, isClosing: boolean): void {
    if (isClosing && queued === 0) return
    const { maxWorkers, maxInFlight, requestsPerWorker, spares } = this.#plan
    let idle = 0
    let starting = 0
    for (const worker of this.#workers) {
      if (!worker.isReady) starting++
      else if (worker.jobs.size === 0 && !worker.isLeaving) idle++
    }
    // Those tell whether there is a point in it.
    if (starting > 0 && this.#trouble.isGrave) return
    const each = Math.min(maxInFlight, requestsPerWorker)
    const standBy = isClosing ? 0 : spares
    const wanted = Math.max(Math.ceil(queued / each), standBy - idle)
    for (let missing = wanted - starting; missing > 0; missing--) {
      if (this.#workers.size >= maxWorkers || this.#hasGivenUp || !this.#trouble.mayStart()) return
      if (!this.#start()) return
    }
  }

  /** It has loaded its module. */
  started(worker: Worker): void {
    worker.isReady = true
    worker.readyAt = performance.now()
    if (workerLife.hasSubscribers) workerLife.publish({ runner: worker.runner, state: 'ready' })
    if (worker.jobs.size === 0) worker.hold(false)
  }

  /** It gets a request. */
  busy(worker: Worker): void {
    if (worker.jobs.size === 0) {
      worker.hold(true)
      worker.unanswered = 0
    }
    worker.served++
    this.#watchdog.watch()
  }

  /** It has taken what it was given. */
  took(worker: Worker): void {
    worker.misses = 0
    if (worker.hasTaken) return
    worker.hasTaken = true
    this.#trouble.overcome()
  }

  /** It has one request less. */
  relieved(worker: Worker): void {
    if (worker.jobs.size > 0) return
    if (worker.isLeaving) this.#farewell(worker)
    else if (worker.served >= this.#plan.requestsPerWorker) this.dismiss(worker)
    else worker.hold(false)
  }

  /** It could not take a request: it gets none for a while. One that can't although it has nothing to do is replaced. */
  exhausted(worker: Worker): void {
    worker.served--
    worker.restsUntil = performance.now() + rest
    // It holds the process: a request waits.
    setTimeout(() => this.#host.goOn(), rest + 1)
    this.relieved(worker)
    if (worker.jobs.size > 0 || ++worker.misses < mostMisses) return
    // Something of its module has all its descriptors.
    worker.isLeaving = true
    worker.kill()
  }

  /** It is to go: all that it was given was served, or cut off. */
  dismiss(worker: Worker): void {
    if (worker.isLeaving) return
    worker.isLeaving = true
    worker.hold(true)
    worker.send({ type: 'leave' })
    this.#farewell(worker)
  }

  /** Dismiss those that have nothing to do, but for the spares; settles when they have gone. */
  async collect(): Promise<void> {
    const idle = Array.from(this.#workers)
      .filter((worker) => worker.jobs.size === 0 && worker.isReady && !worker.isLeaving)
      .slice(this.#plan.spares)
    const gone = idle.map((worker) => this.#whenGone(worker))
    for (const worker of idle) this.dismiss(worker)
    await Promise.all(gone)
  }

  /** It has died. */
  died(worker: Worker, how: string): void {
    this.#workers.delete(worker)
    if (workerLife.hasSubscribers) workerLife.publish({ runner: worker.runner, state: 'exit', reason: how })
    for (const told of this.#leaving.get(worker) ?? []) told()
    this.#leaving.delete(worker)
    if (!worker.isLeaving && neverServed(worker)) this.#troubled(worker.lastWords, how)
  }

  /** All have gone, and no more will come. */
  end(): void {
    this.#watchdog.end()
    this.#trouble.end()
  }

  #start(): boolean {
    try {
      const worker = this.#plan.launch(this.#host)
      this.#workers.add(worker)
      if (workerLife.hasSubscribers) workerLife.publish({ runner: worker.runner, state: 'start' })
      this.#watchStart(worker)
      return true
    } catch (error) {
      this.#troubled(toError(error), 'could not be started')
      return false
    }
  }

  #watchStart(worker: Worker): void {
    const { startTimeout } = this.#plan
    if (startTimeout === Number.POSITIVE_INFINITY) return
    setTimeout(() => {
      if (worker.isReady || !this.#workers.has(worker)) return
      worker.lastWords ??= new Error(`it did not start within ${startTimeout} ms`)
      worker.kill()
    }, startTimeout).unref()
  }

  /** Something of its module may keep it from going, or a handler that does not let go of what was cut off. */
  #farewell(worker: Worker): void {
    setTimeout(() => {
      if (this.#workers.has(worker)) worker.kill()
    }, farewell).unref()
  }

  #troubled(cause: Error | undefined, how: string): void {
    const error = this.#trouble.failed(cause, how, Array.from(this.#workers).some(mayServe))
    if (error === undefined) return
    this.#hasGivenUp = true
    this.#host.givenUp(error)
  }

  #whenGone(worker: Worker): Promise<void> {
    return new Promise((resolve) => {
      const told = this.#leaving.get(worker) ?? []
      told.push(resolve)
      this.#leaving.set(worker, told)
    })
  }
}

/** Whether it serves, or may yet: one that still starts is no reason to give up before it has died, too. */
function mayServe({ isLeaving }: Worker): boolean {
  return !isLeaving
}

function neverServed({ isReady, hasTaken, served, readyAt }: Worker): boolean {
  if (hasTaken) return false
  return !isReady || served > 0 || performance.now() - readyAt < probation
}
