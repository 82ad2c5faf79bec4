import type { Uint8ArrayList } from 'uint8arraylist'
import type { FrameRequest } from '../accept/request/frame-request.ts'
import { begin, divide } from '../accept/request/life.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import { formatAddress } from '../address.ts'
import { toBuffer } from '../bytes/to-buffer.ts'
import { AbortedError, ClosedError } from '../errors.ts'
import { refuseRequest } from '../handler/refuse.ts'
import { closeSource } from '../iterator/close-source.ts'
import { type Settlement, toError } from '../outcome.ts'
import type { Writable } from '../wfile.ts'
import type { FrameCodec } from './frame-codec.ts'
import { type OrderHost, ReplyOrder } from './reply-order.ts'

const well: Settlement = { status: 'fulfilled', value: undefined }

/** How frames are made and bounded. */
export interface FramePlan {
  readonly codec: FrameCodec
  /** Frames of a connection that were handed out and whose replies have not left. */
  readonly maxInFlight: number
  /** A frame that was not served ends its connection. */
  readonly closeOnError: boolean
}

/** What a connection tells the stage. */
export interface FrameTable {
  /** It has a frame to take. */
  ready(connection: FramedConnection): void
  /** Its last reply has left while its server closes. */
  resting(): void
  /** It has no more frames; told once. */
  exhausted(): void
  /** It has gone, and so has the work on its frames; told once. */
  gone(connection: FramedConnection): void
}

/** A connection whose input is frames: reads them one ahead, and is closed when the last reply has left. */
export class FramedConnection implements OrderHost {
  readonly request: StreamRequest
  readonly #plan: FramePlan
  readonly #table: FrameTable
  readonly #order = new ReplyOrder(this)
  #frames: AsyncIterator<Uint8Array | Uint8ArrayList> | undefined
  #packet: Buffer | undefined
  #reading = false
  #exhausted = false
  #outcome = well
  #codecError: Error | undefined
  #working = 0
  #closing = false
  #hasGone = false
  #told = false
  // Bytes of the input that had been read when the last frame came.
  #read = 0

  constructor(request: StreamRequest, plan: FramePlan, table: FrameTable) {
    this.request = request
    this.#plan = plan
    this.#table = table
  }

  get endsOnFailure(): boolean {
    return this.#plan.closeOnError
  }

  /** Whether nothing of a frame has come that was not answered. */
  get atRest(): boolean {
    return this.#order.size === 0 && this.#packet === undefined && this.request.bytesIn === this.#read
  }

  /** Begin to read. */
  open(): void {
    // A server that closes waits until nobody works on a frame any more.
    this.request.held = true
    divide(this.request)
    // While a frame is at work its client has nothing to say.
    this.request.readsAhead = () => this.#order.isAtWork
    this.request.whenClosed(() => this.#closed())
    if (this.#exhausted) return
    try {
      this.#frames = this.#plan.codec.decode(this.request.rfile)[Symbol.asyncIterator]()
    } catch (error) {
      this.#broken(error)
      return
    }
    this.#advance()
  }

  /** The frame that is ready, if there is one still. */
  take(): FrameRequest | undefined {
    const packet = this.#packet
    if (packet === undefined) return undefined
    this.#packet = undefined
    const frame = this.#order.add(packet)
    begin(frame)
    this.#advance()
    return frame
  }

  /** Hand out no more frames, and close when those handed out have been answered. What is ready is refused. */
  leave(): void {
    const packet = this.#packet
    this.#exhaust(well)
    if (packet !== undefined) void refuseRequest(this.#order.add(packet), 'closing')
    this.#closeAtLast()
  }

  encode(message: Buffer): Writable {
    return this.#plan.codec.encode(message)
  }

  failed(outcome: Settlement): void {
    if (this.#plan.closeOnError) this.#exhaust(outcome)
  }

  working(by: 1 | -1): void {
    this.#working += by
    this.#letGo()
  }

  advanced(): void {
    if (this.#exhausted) this.#closeAtLast()
    else this.#advance()
    if (this.#order.size === 0 && this.request.server.stopping.aborted) this.#table.resting()
  }

  #advance(): void {
    if (this.#reading || this.#exhausted || this.#packet !== undefined) return
    if (this.#order.size >= this.#plan.maxInFlight || this.#frames === undefined) return
    this.#reading = true
    try {
      this.#frames.next().then(this.#came, this.#broken)
    } catch (error) {
      this.#broken(error)
    }
  }

  readonly #came = (result: IteratorResult<Uint8Array | Uint8ArrayList>): void => {
    this.#reading = false
    if (this.#exhausted) return
    try {
      if (result.done === true) {
        this.#frames = undefined
        this.#exhaust(well)
        this.#closeAtLast()
        return
      }
      this.#packet = toBuffer(result.value)
    } catch (error) {
      this.#broken(error)
      return
    }
    this.#read = this.request.bytesIn - this.request.rfile.length
    this.#table.ready(this)
  }

  readonly #broken = (error: unknown): void => {
    this.#reading = false
    if (this.#exhausted) return
    // Closed by the program, a handler that said goodbye: there is no way for the other replies.
    if (error instanceof ClosedError) {
      this.#exhaust(well)
      this.#order.abandon(this.#closedMeanwhile())
      return
    }
    const reason = toError(error)
    // Of a connection that is aborted its frames tell.
    if (this.request.abortReason === undefined) this.#codecError = reason
    this.#exhaust({ status: 'rejected', reason })
    this.#closeAtLast()
  }

  #exhaust(outcome: Settlement): void {
    if (this.#exhausted) return
    this.#exhausted = true
    this.#outcome = outcome
    this.#packet = undefined
    if (this.#frames !== undefined) closeSource(this.#frames)
    this.#table.exhausted()
  }

  #closed(): void {
    this.#hasGone = true
    this.#exhaust(well)
    this.#order.abandon(this.request.abortReason ?? this.#closedMeanwhile())
    this.#closeAtLast()
    this.#letGo()
  }

  #closedMeanwhile(): Error {
    const from = formatAddress(this.request.clientAddress)
    return new AbortedError(`The request from ${from} was aborted: its connection was closed`, 'server-error')
  }

  #closeAtLast(): void {
    if (!this.#exhausted || this.#closing || this.#order.size > 0) return
    this.#closing = true
    void this.#close()
    this.#letGo()
  }

  async #close(): Promise<void> {
    const { request } = this
    const { server, abortReason } = request
    try {
      if (this.#codecError !== undefined) await server.noteError(this.#codecError, request)
      const outcome: Settlement = abortReason === undefined ? this.#outcome : { status: 'aborted', reason: abortReason }
      await server.closeRequest(request, outcome)
    } catch (thrown) {
      const reason = toError(thrown)
      if (reason !== request.abortReason) await server.noteError(reason, request)
      request.abort(reason)
    }
  }

  #letGo(): void {
    if (this.#working > 0 || !(this.#closing || this.#hasGone)) return
    const { request } = this
    if (request.held) {
      request.held = false
      request.server.letGo(request)
    }
    if (!this.#hasGone || this.#told) return
    this.#told = true
    this.#table.gone(this)
  }
}
