import { performance } from 'node:perf_hooks'
import { recordHeader } from '../../accept/proxy/read-header.ts'
import { MessageRequest } from '../../accept/request/message-request.ts'
import type { Parcel, Passing } from '../../accept/stream/parcel.ts'
import { StreamRequest } from '../../accept/stream/stream-request.ts'
import { AbortedError, ClosedError } from '../../errors.ts'
import { deferred, mayReject } from '../../iterator/deferred.ts'
import type { Settlement } from '../../outcome.ts'
import type { Request } from '../../request.ts'
import { ParentBridge } from './bridge.ts'
import { recordError, reviveError, reviveErrors } from './error-record.ts'
import { recordIdleTimeout, recordLimits } from './limits-record.ts'
import type { Carriage, ReportMessage, TakeMessage } from './messages.ts'
import type { Messenger } from './messenger.ts'
import { reviveValue } from './value-record.ts'

/** A request that a pool has, until its work has ended. */
export class Job {
  readonly id: number
  readonly request: Request
  /** Whose request it is: a number. */
  readonly server: number
  readonly #done = deferred<unknown>()
  #parcel: Parcel | undefined
  #bridge: ParentBridge | undefined
  #worker: Messenger | undefined
  #offered = false
  #isOver = false
  #told: (() => void) | undefined
  /** When it was cut off, in milliseconds of `performance.now()`; the worker may not have let go of it. */
  cutAt: number | undefined

  /**
   * @param id - tells it from others
   * @param request - the request
   * @param server - whose it is
   */
  constructor(id: number, request: Request, server: number) {
    this.id = id
    this.request = request
    this.server = server
    mayReject(this.#done.promise)
  }

  /** What the handler returned, when it has; rejects with its error. */
  get done(): Promise<unknown> {
    return this.#done.promise
  }

  /** Whether it was served, or never will be. */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Take the request apart for its journey.
   *
   * @param passes - what can be passed
   */
  async prepare(passes: Passing): Promise<void> {
    const { request } = this
    if (request instanceof StreamRequest) this.#parcel = await request.handOver(passes)
  }

  /** Call back, once, where it is over before it was served: its request was aborted or closed, or nobody can serve it. */
  whenCut(told: () => void): void {
    this.#told = told
    this.request.whenClosed((_, outcome) => this.#gone(outcome))
  }

  /** Send it to a worker. */
  offerTo(worker: Messenger): void {
    this.#worker = worker
    this.#offered = true
    const { address } = this.request.server
    const { clientAddress } = this.request
    const carriage = this.#carriage(worker)
    const parcel = carriage.by === 'socket' || carriage.by === 'descriptor' ? this.#parcel : undefined
    const proxied = this.#proxied
    worker.send({ type: 'take', id: this.id, server: this.server, address, clientAddress, proxied, carriage }, parcel)
    if (carriage.by === 'socket') worker.send({ type: 'mark', id: this.id })
  }

  /** The worker has it: what it was offered is not needed any more. */
  claimed(): void {
    this.#offered = false
    this.#drop()
    if (!this.#isOver) this.#bridge?.begin()
  }

  /** The worker does not have it, and never will: somebody else may. */
  givenBack(): void {
    this.#offered = false
    if (this.#isOver) this.#drop()
  }

  /** The bridge of its bytes, where it has one. */
  get bridge(): ParentBridge | undefined {
    return this.#bridge
  }

  /** The worker has served it. */
  async report(worker: Messenger, message: ReportMessage): Promise<void> {
    const { request } = this
    request.ranBy = worker.runner
    if (request instanceof StreamRequest && this.#bridge === undefined) {
      request.movedElsewhere(message.bytesIn, message.bytesOut)
    }
    for (const note of reviveErrors(message.notes)) void request.server.noteError(note, request)
    if (this.#isOver) return
    try {
      if (message.status === 'fulfilled') {
        await this.#bridge?.drained()
        // Of a connection there is none: what its handler has written is there.
        if (message.reply !== undefined && request instanceof MessageRequest) await request.wfile.write(message.reply)
        this.#end()
        this.#done.resolve(reviveValue(message.value))
        return
      }
      const error = message.error === undefined ? new Error('The handler failed') : reviveError(message.error)
      // What a failing handler had written before is sent, as it is by any other.
      if (message.status === 'rejected') await this.#bridge?.drained()
      this.#end()
      if (message.status === 'aborted') request.abort(error)
      this.#done.reject(error)
    } catch (error) {
      this.#end()
      this.#done.reject(error)
    }
  }

  /**
   * It will not be served.
   *
   * @param error - why
   * @param worker - who has had it, where that has died
   */
  fail(error: Error, worker?: Messenger): void {
    if (this.#isOver) return
    if (worker !== undefined) this.request.ranBy = worker.runner
    this.#end()
    if (error instanceof AbortedError) this.request.abort(error)
    this.#done.reject(error)
  }

  #gone(outcome: Settlement): void {
    if (this.#isOver) return
    if (this.#bridge?.hasEnded === true) {
      // The worker has sent all, and is about to say how it went.
      if (outcome.status === 'fulfilled') return
      if (isPeerGone(outcome.reason)) {
        this.#cut(outcome.reason)
        return
      }
    }
    const why = new ClosedError('The request was closed while a worker served it')
    const error = outcome.status === 'fulfilled' ? why : outcome.reason
    this.#end()
    this.#cut(error)
    this.#done.reject(error)
    this.#told?.()
  }

  #cut(error: Error): void {
    this.cutAt = performance.now()
    this.#worker?.send({ type: 'cut', id: this.id, error: recordError(error) })
  }

  #end(): void {
    this.#isOver = true
    // A thread that is about to take it by its number would take a stranger's.
    if (!this.#offered) this.#drop()
    this.#bridge?.end()
  }

  #drop(): void {
    this.#parcel?.drop()
    this.#parcel = undefined
  }

  get #proxied(): TakeMessage['proxied'] {
    const { request } = this
    if (!(request instanceof StreamRequest) || request.proxied === undefined) return undefined
    return recordHeader(request.proxied)
  }

  #carriage(worker: Messenger): Carriage {
    const { request } = this
    if (this.#parcel !== undefined) {
      const { descriptor: fd = -1, unread, noDelay, limits } = this.#parcel
      return {
        by: worker.passesBy,
        fd: worker.passesBy === 'socket' ? -1 : fd,
        noDelay,
        limits: recordLimits(limits),
        unread: unread.length > 0 ? unread : undefined
      }
    }
    if (request instanceof MessageRequest) return { by: 'message', packet: request.packet }
    this.#bridge = new ParentBridge(this.id, worker, request)
    if (!(request instanceof StreamRequest)) return { by: 'bridge', decrypted: false, limits: {} }
    return { by: 'bridge', decrypted: request.encrypted, limits: recordIdleTimeout(request.idleTimeout) }
  }
}

function isPeerGone(reason: Error): boolean {
  return reason instanceof AbortedError && reason.cause === 'peer-gone'
}
