import { PendingHeaders } from '../accept/proxy/pending-headers.ts'
import type { ProxyPlan } from '../accept/proxy/proxy-options.ts'
import { StreamRequest } from '../accept/stream/stream-request.ts'
import { show } from '../arguments.ts'
import type { ProxyProtocolError } from '../errors.ts'
import { refuseRequest, releaseRequest } from '../handler/refuse.ts'
import { type Deferred, deferred } from '../iterator/deferred.ts'
import type { Request } from '../request.ts'
import { giveBack } from './give-back.ts'
import { Intake } from './intake.ts'

const done = { done: true, value: undefined } as const

type Result = IteratorResult<StreamRequest, undefined>

/** The iteration of {@link proxyProtocol}. */
export class Proxied implements AsyncIterableIterator<StreamRequest> {
  readonly #source: AsyncIterable<StreamRequest> | Iterable<StreamRequest>
  readonly #intake: Intake<Request>
  readonly #headers: PendingHeaders
  readonly #ready: StreamRequest[] = []
  readonly #parked: Deferred<Result>[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(source: AsyncIterable<StreamRequest> | Iterable<StreamRequest>, plan: ProxyPlan) {
    this.#source = source
    this.#intake = new Intake<Request>(source, {
      rule: 'proxyProtocol takes a source of connections',
      arrived: (request) => this.#arrived(request),
      over: () => this.#endWhenDone()
    })
    this.#headers = new PendingHeaders(plan, {
      read: (request) => this.#deliver(request),
      refused: (request, error) => {
        void this.#refuse(request, error)
        this.#roomMade()
      }
    })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Result> {
    const request = this.#ready.shift()
    if (request !== undefined) return Promise.resolve({ done: false, value: request })
    if (this.#intake.isLeft || this.#hasEnded) return this.#intake.end()
    const reader = deferred<Result>()
    this.#parked.push(reader)
    this.#pull()
    return reader.promise
  }

  async return(): Promise<Result> {
    if (this.#intake.isLeft) return done
    this.#intake.leave()
    this.#clearTimer()
    for (const reader of this.#parked.splice(0)) reader.resolve(done)
    this.#headers.end('the stage was left')
    for (const request of this.#ready.splice(0)) void refuseRequest(request, 'closing')
    if (!this.#intake.isOver) await giveBack(this.#source, this.#intake.iterator)
    return done
  }

  get #hasEnded(): boolean {
    return this.#intake.isOver && this.#headers.size === 0 && this.#ready.length === 0
  }

  #pull(): void {
    if (this.#parked.length === 0 || this.#intake.isOver || this.#intake.isLeft) return
    const { wait } = this.#headers
    if (wait === 0) this.#intake.pull()
    else this.#timer ??= setTimeout(this.#roomMade, wait).unref()
  }

  readonly #roomMade = (): void => {
    this.#clearTimer()
    this.#pull()
    this.#endWhenDone()
  }

  #clearTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arrived(request: Request): void {
    if (request instanceof StreamRequest) this.#headers.begin(request)
    else void turnAway(request)
    this.#pull()
  }

  #deliver(request: StreamRequest): void {
    const reader = this.#parked.shift()
    if (reader === undefined) this.#ready.push(request)
    else reader.resolve({ done: false, value: request })
    this.#roomMade()
  }

  async #refuse(request: StreamRequest, error: ProxyProtocolError): Promise<void> {
    const { abortReason } = request
    if (error.reason === 'busy') await request.server.noteError(error, request)
    // Somebody has cut it off, and knows why.
    if (error.reason === 'closing' && !this.#intake.isLeft) await releaseRequest(request, abortReason ?? error)
    else await refuseRequest(request, error.reason === 'closing' ? 'closing' : 'proxy')
  }

  #endWhenDone(): void {
    if (!this.#hasEnded) return
    for (const reader of this.#parked.splice(0)) this.#intake.end().then(reader.resolve, reader.reject)
  }
}

async function turnAway(request: Request): Promise<void> {
  const error = new TypeError(`proxyProtocol takes connections: got ${show(request)}`)
  await request.server.noteError(error, request)
  await refuseRequest(request, 'verify')
}
