import { type FramePlace, FrameRequest } from '../accept/request/frame-request.ts'
import { end, isUnderWay, markCut } from '../accept/request/life.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import { formatAddress } from '../address.ts'
import { AbortedError } from '../errors.ts'
import { requestEnd, undelivered } from '../events.ts'
import { settled } from '../iterator/deferred.ts'
import type { Settlement } from '../outcome.ts'
import type { Writable } from '../wfile.ts'

/** Who is told how the frames of a connection go. */
export interface OrderHost {
  /** The connection. */
  readonly request: StreamRequest
  /** A reply, as it is sent. */
  encode(message: Buffer): Writable
  /** A frame was not served, or its reply could not be sent. */
  failed(outcome: Settlement): void
  /** Whether the replies after that of a frame that was not served must not be sent. */
  readonly endsOnFailure: boolean
  /** The work of a mode on a frame begins, or has ended. */
  working(by: 1 | -1): void
  /** A frame has left the order. */
  advanced(): void
}

/** A frame that was handed out and whose reply has not left. */
class Place implements FramePlace {
  readonly frame: FrameRequest
  readonly #order: ReplyOrder
  /** Its reply waits for those before it. */
  waiting: Writable | undefined
  outcome: Settlement | undefined
  /** The order was abandoned: it has no place any more. */
  dropped = false
  /** When it was handed out, where somebody wants to know how long it took. */
  readonly since = requestEnd.hasSubscribers ? performance.now() : 0

  constructor(order: ReplyOrder, connection: StreamRequest, packet: Buffer) {
    this.#order = order
    this.frame = new FrameRequest(connection, packet, this)
  }

  reply(bytes: Buffer): unknown {
    return this.#order.reply(this, bytes)
  }

  released(outcome: Settlement): void {
    const { frame, since } = this
    // Of what a mode serves the mode tells.
    if (!frame.held && isUnderWay(frame)) end({ request: frame, elapsed: performance.now() - since, ...outcome })
    this.outcome = outcome
    this.#order.released(this)
  }

  working(by: 1 | -1): void {
    this.#order.host.working(by)
  }
}

/**
 * The frames of a connection that were handed out, in the order in which they came, which is the order of their replies.
 *
 * The reply whose turn it is holds its frame until there is room for it. One that is ready before its turn waits here,
 * and holds its frame's place but not its frame: a client that does not read costs a mode one permit, not all.
 */
export class ReplyOrder {
  readonly host: OrderHost
  readonly #places: Place[] = []
  #writing = false

  /** @param host - who is told */
  constructor(host: OrderHost) {
    this.host = host
  }

  /** Frames handed out whose replies have not left. */
  get size(): number {
    return this.#places.length
  }

  /** Whether a frame of them is at work: neither closed nor aborted. */
  get isAtWork(): boolean {
    return this.#places.some(({ outcome }) => outcome === undefined)
  }

  /** Hand a frame out. */
  add(packet: Buffer): FrameRequest {
    const place = new Place(this, this.host.request, packet)
    this.#places.push(place)
    return place.frame
  }

  /** A reply: sent now where it is its turn, or kept until it is. */
  reply(place: Place, message: Buffer): unknown {
    const bytes = this.host.encode(message)
    if (place !== this.#places[0]) place.waiting = bytes
    else {
      const writing = this.host.request.wfile.write(bytes)
      // Most need not wait: nor need they go through promises then.
      if (writing !== settled) return writing.catch((error: unknown) => this.#cutOff(place, error))
    }
    return undefined
  }

  /** A frame was closed or aborted. */
  released(place: Place): void {
    const { outcome, dropped } = place
    if (dropped) return
    if (outcome !== undefined && outcome.status !== 'fulfilled') this.host.failed(outcome)
    this.#advance()
  }

  /** Drop all: those that run are aborted, the replies that wait are not sent. */
  abandon(reason: Error): void {
    for (const place of this.#places.splice(0)) {
      const { frame, outcome, waiting } = place
      place.dropped = true
      if (outcome === undefined) {
        frame.abort(reason)
        if (isDeadline(reason)) cutOff(place, reason)
      } else if (waiting !== undefined) tellUndelivered(frame, reason)
    }
    this.host.advanced()
  }

  #advance(): void {
    while (!this.#writing) {
      const place = this.#places[0]
      if (place?.outcome === undefined) return
      const { outcome, waiting } = place
      if (outcome.status !== 'fulfilled' && this.host.endsOnFailure) {
        this.#places.shift()
        this.abandon(this.#notServed(outcome.reason))
        return
      }
      if (waiting !== undefined) {
        const writing = this.host.request.wfile.write(waiting)
        if (writing !== settled) {
          this.#writing = true
          writing.then(this.#written, this.#lost)
          return
        }
      }
      this.#places.shift()
      this.host.advanced()
    }
  }

  readonly #written = (): void => {
    this.#writing = false
    this.#places.shift()
    this.host.advanced()
    this.#advance()
  }

  readonly #lost = (error: Error): void => {
    this.#writing = false
    const place = this.#places[0]
    if (place === undefined) return
    tellUndelivered(place.frame, error)
    place.waiting = undefined
    place.outcome = { status: 'rejected', reason: error }
    this.host.failed(place.outcome)
    this.#advance()
  }

  /** The write of a reply has failed: where the connection was aborted, so is its frame, before it is released. */
  #cutOff({ frame }: Place, error: unknown): never {
    const { abortReason } = this.host.request
    if (abortReason !== undefined) frame.abort(abortReason)
    throw error
  }

  /** What those behind a frame get that was not served, or whose reply could not be sent. */
  #notServed(reason: Error): Error {
    const { abortReason, clientAddress } = this.host.request
    if (abortReason !== undefined) return abortReason
    const why = `The request from ${formatAddress(clientAddress)} was aborted: a frame before it was not served`
    return new AbortedError(why, 'server-error', reason)
  }
}

function isDeadline(reason: Error): boolean {
  return reason instanceof AbortedError && reason.cause === 'deadline'
}

/** Nobody waits for its handler, which may never return: it is counted as of now. */
function cutOff({ frame, since }: Place, reason: Error): void {
  if (!frame.held || !isUnderWay(frame)) return
  end({ request: frame, elapsed: performance.now() - since, status: 'aborted', reason })
  markCut(frame)
  frame.server.counters.failed++
}

function tellUndelivered({ server, clientAddress }: FrameRequest, error: Error): void {
  if (undelivered.hasSubscribers) undelivered.publish({ server, clientAddress, error })
}
