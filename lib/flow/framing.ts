import type { FrameRequest } from '../accept/request/frame-request.ts'
import { StreamRequest } from '../accept/stream/stream-request.ts'
import { show } from '../arguments.ts'
import { refuseRequest } from '../handler/refuse.ts'
import { checkRequest } from '../handler/run.ts'
import { closeSource } from '../iterator/close-source.ts'
import { type Deferred, deferred } from '../iterator/deferred.ts'
import { openSource } from '../iterator/open-source.ts'
import { turn } from '../iterator/turn.ts'
import type { Request } from '../request.ts'
import { FramedConnection, type FramePlan, type FrameTable } from './framed-connection.ts'
import { giveBack } from './give-back.ts'

const done = { done: true, value: undefined } as const

/** The iteration of {@link framed}: the table of connections, and the queue of those that have a frame ready. */
export class Framing implements AsyncIterableIterator<FrameRequest>, FrameTable {
  readonly #source: AsyncIterable<Request> | Iterable<Request>
  readonly #iterator: AsyncIterator<Request> | Iterator<Request>
  readonly #plan: FramePlan
  readonly #maxConnections: number
  readonly #table = new Set<FramedConnection>()
  // Each stands here once, and again at the end when its next frame is ready: that is the round robin.
  readonly #ready: FramedConnection[] = []
  readonly #parked: Deferred<IteratorResult<FrameRequest, undefined>>[] = []
  readonly #stopping = new Set<AbortSignal>()
  #unexhausted = 0
  #pulling = false
  #left = false
  #sourceEnded = false
  #failure: { readonly error: unknown } | undefined
  #sweeping = false

  constructor(source: AsyncIterable<Request> | Iterable<Request>, plan: FramePlan, maxConnections: number) {
    this.#source = source
    this.#iterator = openSource(source)
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
    if (this.#left || this.#hasEnded) return this.#end()
    const reader = deferred<IteratorResult<FrameRequest, undefined>>()
    this.#parked.push(reader)
    return reader.promise
  }

  async return(): Promise<IteratorResult<FrameRequest, undefined>> {
    if (this.#left) return done
    this.#left = true
    for (const reader of this.#parked.splice(0)) reader.resolve(done)
    this.#ready.length = 0
    for (const connection of this.#table) connection.leave()
    this.#forgetServers()
    if (!this.#sourceEnded) await giveBack(this.#source, this.#iterator)
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
    if (!this.#left) this.#sweepSoon()
  }

  exhausted(): void {
    this.#unexhausted--
    this.#wake()
  }

  gone(connection: FramedConnection): void {
    this.#table.delete(connection)
    if (this.#left || this.#sourceEnded) this.#forgetServers()
    else this.#pull()
  }

  get #hasEnded(): boolean {
    return this.#sourceEnded && this.#unexhausted === 0
  }

  #pull(): void {
    if (this.#pulling || this.#left || this.#sourceEnded || this.#table.size >= this.#maxConnections) return
    this.#pulling = true
    try {
      Promise.resolve(this.#iterator.next()).then(this.#pulled).catch(this.#failed)
    } catch (error) {
      this.#failed(error)
    }
  }

  readonly #pulled = (result: IteratorResult<Request>): void => {
    this.#pulling = false
    if (result.done === true) {
      this.#sourceEnded = true
      this.#wake()
      return
    }
    const request = result.value
    try {
      checkRequest('framed takes a source of connections', request)
    } catch (error) {
      closeSource(this.#iterator)
      this.#failed(error)
      return
    }
    if (this.#left) void refuseRequest(request, 'closing')
    else if (request instanceof StreamRequest) this.#admit(request)
    else void turnAway(request)
    this.#pull()
  }

  readonly #failed = (error: unknown): void => {
    this.#pulling = false
    this.#sourceEnded = true
    this.#failure = { error }
    this.#wake()
  }

  #admit(request: StreamRequest): void {
    const { stopping } = request
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
      if (connection.request.stopping.aborted && connection.atRest) connection.leave()
    }
  }

  #forgetServers(): void {
    if (this.#table.size > 0 && !this.#left) return
    for (const stopping of this.#stopping) stopping.removeEventListener('abort', this.#sweepSoon)
    this.#stopping.clear()
  }

  #wake(): void {
    if (!this.#hasEnded) return
    if (this.#table.size === 0) this.#forgetServers()
    for (const reader of this.#parked.splice(0)) this.#end().then(reader.resolve, reader.reject)
  }

  /** The source's error, once; then the end. */
  #end(): Promise<IteratorResult<FrameRequest, undefined>> {
    const failure = this.#failure
    this.#failure = undefined
    return failure === undefined || this.#left ? Promise.resolve(done) : Promise.reject(failure.error)
  }
}

async function turnAway(request: Request): Promise<void> {
  const error = new TypeError(`framed takes connections: got ${show(request)}; a message is a request already`)
  await request.server.noteError(error, request)
  await refuseRequest(request, 'verify')
}
