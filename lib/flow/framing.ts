import type { FrameRequest } from '../accept/request/frame-request.ts'
import { StreamRequest } from '../accept/stream/stream-request.ts'
import { show } from '../arguments.ts'
import { refuseRequest } from '../handler/refuse.ts'
import { type Deferred, deferred } from '../iterator/deferred.ts'
import { turn } from '../iterator/turn.ts'
import type { Request } from '../request.ts'
import { FramedConnection, type FramePlan, type FrameTable } from './framed-connection.ts'
import { giveBack } from './give-back.ts'
import { Intake } from './intake.ts'

const done = { done: true, value: undefined } as const

/** The iteration of {@link framed}: the table of connections, and the queue of those that have a frame ready. */
export class Framing implements AsyncIterableIterator<FrameRequest>, FrameTable {
  readonly #source: AsyncIterable<Request> | Iterable<Request>
  readonly #intake: Intake<Request>
  readonly #plan: FramePlan
  readonly #maxConnections: number
  readonly #table = new Set<FramedConnection>()
  // Each stands here once, and again at the end when its next frame is ready: that is the round robin.
  readonly #ready: FramedConnection[] = []
  readonly #parked: Deferred<IteratorResult<FrameRequest, undefined>>[] = []
  readonly #stopping = new Set<AbortSignal>()
  #unexhausted = 0
  #sweeping = false

  constructor(source: AsyncIterable<Request> | Iterable<Request>, plan: FramePlan, maxConnections: number) {
    this.#source = source
    this.#intake = new Intake(source, {
      rule: 'framed takes a source of connections',
      arrived: (request) => this.#arrived(request),
      over: () => this.#wake()
    })
    this.#plan = plan
    this.#maxConnections = maxConnections
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<FrameRequest, undefined>> {
    this.#pull()
    for (let connection = this.#ready.shift(); connection !== undefined; connection = this.#ready.shift()) {
      const frame = connection.take()
      if (frame !== undefined) return Promise.resolve({ done: false, value: frame })
    }
    if (this.#intake.isLeft || this.#hasEnded) return this.#intake.end()
    const reader = deferred<IteratorResult<FrameRequest, undefined>>()
    this.#parked.push(reader)
    return reader.promise
  }

  async return(): Promise<IteratorResult<FrameRequest, undefined>> {
    if (this.#intake.isLeft) return done
    this.#intake.leave()
    for (const reader of this.#parked.splice(0)) reader.resolve(done)
    this.#ready.length = 0
    for (const connection of this.#table) connection.leave()
    this.#forgetServers()
    if (!this.#intake.isOver) await giveBack(this.#source, this.#intake.iterator)
    return done
  }

  ready(connection: FramedConnection): void {
    if (this.#parked.length === 0) {
      this.#ready.push(connection)
      return
    }
    const frame = connection.take()
    if (frame !== undefined) this.#parked.shift()?.resolve({ done: false, value: frame })
  }

  resting(): void {
    if (!this.#intake.isLeft) this.#sweepSoon()
  }

  exhausted(): void {
    this.#unexhausted--
    this.#wake()
  }

  gone(connection: FramedConnection): void {
    this.#table.delete(connection)
    if (this.#intake.isLeft || this.#intake.isOver) this.#forgetServers()
    else this.#pull()
  }

  get #hasEnded(): boolean {
    return this.#intake.isOver && this.#unexhausted === 0
  }

  #pull(): void {
    if (this.#table.size < this.#maxConnections) this.#intake.pull()
  }

  #arrived(request: Request): void {
    if (request instanceof StreamRequest) this.#admit(request)
    else void turnAway(request)
    this.#pull()
  }

  #admit(request: StreamRequest): void {
    // The request's own would have to be forgotten with it.
    const { stopping } = request.server
    if (!stopping.aborted && !this.#stopping.has(stopping)) {
      this.#stopping.add(stopping)
      stopping.addEventListener('abort', this.#sweepSoon)
    }
    const connection = new FramedConnection(request, this.#plan, this)
    this.#table.add(connection)
    this.#unexhausted++
    connection.open()
    if (stopping.aborted) this.#sweepSoon()
  }

  // Close those at rest. Three turns later: what the kernel holds for them arrives in between.
  readonly #sweepSoon = (): void => {
    if (this.#sweeping) return
    this.#sweeping = true
    void turn().then(turn).then(turn).then(this.#sweep)
  }

  readonly #sweep = (): void => {
    this.#sweeping = false
    for (const connection of this.#table) {
      if (connection.request.server.stopping.aborted && connection.atRest) connection.leave()
    }
  }

  #forgetServers(): void {
    if (this.#table.size > 0 && !this.#intake.isLeft) return
    for (const stopping of this.#stopping) stopping.removeEventListener('abort', this.#sweepSoon)
    this.#stopping.clear()
  }

  #wake(): void {
    if (!this.#hasEnded) return
    if (this.#table.size === 0) this.#forgetServers()
    for (const reader of this.#parked.splice(0)) this.#intake.end().then(reader.resolve, reader.reject)
  }
}

async function turnAway(request: Request): Promise<void> {
  const error = new TypeError(`framed takes connections: got ${show(request)}; a message is a request already`)
  await request.server.noteError(error, request)
  await refuseRequest(request, 'verify')
}
