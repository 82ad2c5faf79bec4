import { performance } from 'node:perf_hooks'
import { known, milliseconds } from '../../arguments.ts'
import { AbortedError, BusyError, ClosedError, type WorkerStartError } from '../../errors.ts'
import { checkRequest } from '../../handler/run.ts'
import { deferred } from '../../iterator/deferred.ts'
import { toError } from '../../outcome.ts'
import type { CloseOptions, Request } from '../../request.ts'
import { reviveError } from './error-record.ts'
import { Job } from './job.ts'
import type { JobMessage, WorkerMessage } from './messages.ts'
import type { PoolPlan } from './pool-plan.ts'
import { ServerNumbers } from './server-numbers.ts'
import { Staff, type StaffHost } from './staff.ts'
import type { Worker } from './worker.ts'
import { isMessage, isSound } from './worker-message.ts'

const defaultDeadline = 15_000

// Those that pools have: none is served twice.
const served = new WeakSet<Request>()

/** Requests for workers: each is offered to one, and is that one's when it has claimed it; what was not is offered again. */
export class WorkerPool implements StaffHost {
  readonly #plan: PoolPlan
  readonly #staff: Staff
  readonly #queue: Job[] = []
  readonly #servers: ServerNumbers
  // Those whose end somebody waits for.
  readonly #running = new Set<Job>()
  readonly #closed = deferred<void>()
  readonly #failed: ((error: Error) => void)[] = []
  #ids = 0
  #failure: WorkerStartError | undefined
  #isClosing = false
  #deadline: NodeJS.Timeout | undefined
  #due = Number.POSITIVE_INFINITY

  /** @param plan - what it is made by */
  constructor(plan: PoolPlan) {
    this.#plan = plan
    this.#staff = new Staff(plan, this)
    this.#servers = new ServerNumbers((server) => {
      for (const worker of this.#staff) if (worker.servers.has(server)) worker.send({ type: 'stopping', server })
    })
    this.#staff.ensure(0, false)
  }

  /** Requests that it can have at a time. */
  get limit(): number {
    return this.#plan.limit
  }

  /** The workers that are there. */
  get workers(): Iterable<Worker> {
    return this.#staff
  }

  /** Call back, once, where its workers can't be started. */
  whenFailed(told: (error: Error) => void): void {
    if (this.#failure === undefined) this.#failed.push(told)
    else told(this.#failure)
  }

  /** Have a request served. */
  async run(request: Request): Promise<unknown> {
    checkRequest('A pool serves requests', request)
    // Not closed: it is somebody else's.
    if (served.has(request)) throw new BusyError('Cannot serve the request: a pool serves it already')
    served.add(request)
    let value: unknown
    try {
      value = await this.#serve(request)
    } catch (thrown) {
      if (!request.held) await request.close({ status: 'rejected', reason: toError(thrown) }).catch(() => {})
      throw thrown
    } finally {
      served.delete(request)
    }
    if (!request.held) await request.close()
    return value
  }

  /** End the workers that stand by idle, but for the spares. */
  collect(): Promise<void> {
    return this.#staff.collect()
  }

  /** Take nothing more, and go when all has been served; at the deadline the rest is cut off. */
  close(options: CloseOptions = {}): Promise<void> {
    known('close', options, ['deadline'])
    const deadline = milliseconds('deadline', options.deadline, defaultDeadline)
    this.#isClosing = true
    const due = performance.now() + deadline
    if (due < this.#due) {
      this.#due = due
      clearTimeout(this.#deadline)
      this.#deadline = setTimeout(() => this.#cut(deadline), deadline)
    }
    this.#leaveWhenDone()
    return this.#closed.promise
  }

  heard(worker: Worker, message: WorkerMessage): void {
    worker.unanswered = 0
    if (!isMessage(message)) return
    // But for what it has begun, which nobody else may: that it has said before it could know of this.
    if (worker.isBroken && message.type !== 'claim') return
    switch (message.type) {
      case 'ready':
        this.#staff.started(worker)
        this.goOn()
        return
      case 'failed':
      case 'crashed':
        worker.lastWords = reviveError(message.error)
        return
      case 'close':
        void this.#servers.close(message)
        return
      case 'pong':
        return
      case 'claim':
      case 'missing':
      case 'report':
      case 'data':
      case 'end':
      case 'credit': {
        const job = worker.jobs.get(message.id)
        if (job !== undefined && !(isSound(message) && this.#heardOf(worker, job, message))) this.#broken(worker)
      }
    }
  }

  gone(worker: Worker, how: string): void {
    const { offered, jobs, lastWords, runner } = worker
    // What it has not claimed it has not touched.
    for (const job of offered) job.givenBack()
    const untouched = Array.from(offered).filter((job) => !job.isOver)
    const left = Array.from(jobs.values())
    jobs.clear()
    this.#queue.unshift(...untouched)
    for (const job of left) {
      if (!job.isOver && !offered.has(job)) {
        const why = `the ${this.#plan.noun} ${runner.threadId ?? runner.pid} that served it ${how}`
        job.fail(new AbortedError(`The request was cut off: ${why}`, 'worker-gone', lastWords), worker)
        this.#running.delete(job)
      }
    }
    offered.clear()
    this.#staff.died(worker, how)
    this.goOn()
  }

  goOn(): void {
    while (this.#queue.length > 0) {
      const worker = this.#staff.freest()
      if (worker === undefined) break
      this.#offer(worker, this.#queue.shift() as Job)
    }
    this.#staff.ensure(this.#queue.length, this.#isClosing)
    this.#leaveWhenDone()
  }

  givenUp(error: WorkerStartError): void {
    this.#failure = error
    for (const job of this.#queue.splice(0)) {
      job.fail(error)
      this.#running.delete(job)
    }
    for (const told of this.#failed.splice(0)) told(error)
  }

  async #serve(request: Request): Promise<unknown> {
    if (this.#isClosing) throw new ClosedError('Cannot serve the request: the pool is closed')
    if (this.#failure !== undefined) throw this.#failure
    const job = new Job(++this.#ids, request, this.#servers.numberOf(request.server))
    this.#running.add(job)
    try {
      await job.prepare(this.#plan.passes)
    } catch (error) {
      this.#running.delete(job)
      this.#leaveWhenDone()
      throw error
    }
    job.whenCut(() => this.#wasCut(job))
    if (this.#failure === undefined) this.#queue.push(job)
    else job.fail(this.#failure)
    if (job.isOver) this.#wasCut(job)
    this.goOn()
    return job.done
  }

  #offer(worker: Worker, job: Job): void {
    this.#staff.busy(worker)
    if (!worker.servers.has(job.server)) introduce(worker, job)
    worker.jobs.set(job.id, job)
    worker.offered.add(job)
    job.offerTo(worker)
  }

  /** False where it must not say that. */
  #heardOf(worker: Worker, job: Job, message: JobMessage): boolean {
    switch (message.type) {
      case 'claim':
        this.#claimed(worker, job)
        this.goOn()
        return true
      case 'missing':
        this.#missing(worker, job)
        return true
      case 'report':
        this.#claimed(worker, job)
        worker.jobs.delete(job.id)
        this.#staff.relieved(worker)
        void job.report(worker, message).then(() => {
          this.#running.delete(job)
          this.#leaveWhenDone()
        })
        this.goOn()
        return true
      default:
        // Before it has claimed it another one may get it.
        return !worker.offered.has(job) && job.bridge?.heard(message) === true
    }
  }

  /** What it says can't be: who waits for it would wait for ever. */
  #broken(worker: Worker): void {
    worker.isBroken = true
    worker.lastWords ??= new TypeError('It said what can not be understood')
    worker.kill()
  }

  #claimed(worker: Worker, job: Job): void {
    if (!worker.offered.delete(job)) return
    this.#staff.took(worker)
    job.claimed()
  }

  /** A connection has not arrived: the worker has no room for it. */
  #missing(worker: Worker, job: Job): void {
    if (!worker.offered.delete(job)) return
    worker.jobs.delete(job.id)
    job.givenBack()
    // Of one that was cut off on its way there was nothing to arrive.
    if (job.isOver) this.#staff.relieved(worker)
    else {
      this.#queue.unshift(job)
      this.#staff.exhausted(worker)
    }
    this.goOn()
  }

  #wasCut(job: Job): void {
    this.#running.delete(job)
    const at = this.#queue.indexOf(job)
    if (at !== -1) this.#queue.splice(at, 1)
    this.#leaveWhenDone()
  }

  #cut(deadline: number): void {
    for (const { request } of Array.from(this.#running)) {
      const why = `The request was aborted: the pool's deadline of ${deadline} ms came`
      request.abort(new AbortedError(why, 'deadline'))
    }
    for (const worker of this.#staff) worker.kill()
    this.#leaveWhenDone()
  }

  #leaveWhenDone(): void {
    if (!this.#isClosing || this.#running.size > 0) return
    if (this.#staff.size > 0) {
      for (const worker of this.#staff) this.#staff.dismiss(worker)
      return
    }
    clearTimeout(this.#deadline)
    this.#staff.end()
    this.#servers.end()
    this.#closed.resolve()
  }
}

/** The first request of a server: it may have begun to close before. */
function introduce(worker: Worker, { server, request }: Job): void {
  worker.servers.add(server)
  if (request.server.stopping.aborted) worker.send({ type: 'stopping', server })
}
