import type { Address } from '../../address.ts'
import { show } from '../../arguments.ts'
import { MessageWriter } from '../../bytes/message-writer.ts'
import { ByteReader } from '../../bytes/reader.ts'
import { toBuffer } from '../../bytes/to-buffer.ts'
import type { AbortedError } from '../../errors.ts'
import { rejection, settled } from '../../iterator/deferred.ts'
import type { Fault } from '../../iterator/fault.ts'
import { isPromiseLike } from '../../iterator/promise-like.ts'
import { type Settlement, toError } from '../../outcome.ts'
import type { RequestServer } from '../../request.ts'
import type { RFile } from '../../rfile.ts'
import type { WFile, Writable } from '../../wfile.ts'
import { RequestBase } from './request-base.ts'
import { requestClosed } from './request-closed.ts'

/** What a `reply` returns that tells by {@link MessageRequest.replied} how it went. */
export const repliesLater = Symbol('replies later')

/** What a {@link MessageRequest} is made of. */
export interface MessageOptions {
  /** The server that hands it out: `this`, in `getRequest`. */
  readonly server: RequestServer
  /** The message. */
  readonly packet: Writable
  /** Where it comes from, where there is such a thing. */
  readonly clientAddress?: Address
  /** Sends the reply; called once, when the request is closed well and something was written. */
  readonly reply?: (bytes: Buffer, request: MessageRequest) => unknown
  /** Commits or gives back; called once, last, whatever the outcome. */
  readonly release?: (outcome: Settlement) => unknown
}

/**
 * A whole message: a datagram, a row, a broker's message. Its bytes are in `rfile` (and in `packet`); what is written to
 * `wfile` is one reply, sent when the request is closed with a `fulfilled` outcome and not otherwise. Nothing written,
 * nothing sent; an explicit empty write sends an empty reply.
 *
 * Make one in `getRequest` of a server of your own; see {@link BaseServer}.
 *
 * @example
 * const request = new MessageRequest({
 *   server: new BaseServer(),
 *   packet: 'ping',
 *   reply: (bytes) => assert.equal(bytes.toString(), 'PING')
 * })
 * await request.wfile.write(request.packet.toString().toUpperCase())
 * await request.close()
 */
export class MessageRequest extends RequestBase {
  /** The message. */
  readonly packet: Buffer
  readonly #send: ((bytes: Buffer, request: MessageRequest) => unknown) | undefined
  readonly #release: ((outcome: Settlement) => unknown) | undefined
  #reader: ByteReader | undefined
  #writer: MessageWriter | undefined
  #over: Fault | undefined
  #leaving: Promise<void> | undefined
  // Ends the wait for a reply.
  #told: ((error?: unknown) => void) | undefined
  // Ends what `close()` waits for.
  #letGo: (() => void) | undefined
  #bytesOut = 0

  /** @param options - what it is made of */
  constructor({ server, packet, clientAddress, reply, release }: MessageOptions) {
    if (typeof server?.processRequest !== 'function') {
      throw new TypeError(`Option server must be a server, such as this in getRequest: got ${show(server)}`)
    }
    super(server, clientAddress)
    this.packet = toBuffer(packet)
    this.#send = reply
    this.#release = release
  }

  /** The input. */
  override get rfile(): RFile {
    return this.#input
  }

  /** The output. */
  override get wfile(): WFile {
    if (this.#writer === undefined) {
      this.#writer = new MessageWriter()
      if (this.#over !== undefined) this.#writer.close(this.#over)
    }
    return this.#writer
  }

  /** Never: it is gone when its reply is sent. */
  override get lingering(): boolean {
    return false
  }

  /** Bytes that came in so far. */
  override get bytesIn(): number {
    return this.packet.length
  }

  /** Bytes handed over to leave so far. */
  override get bytesOut(): number {
    return this.#bytesOut
  }

  get #input(): ByteReader {
    if (this.#reader === undefined) {
      this.#reader = new ByteReader()
      if (this.#over !== undefined) this.#reader.close(this.#over)
      else {
        this.#reader.push(this.packet)
        this.#reader.end()
      }
    }
    return this.#reader
  }

  /** Send what is left and release what the request holds. At once, where neither the reply nor the release waits. */
  protected override finish(outcome: Settlement): Promise<void> {
    // Cut off before: it has been given back already.
    if (this.#leaving !== undefined) return this.#leaving
    this.#giveUp(requestClosed)
    let sent: unknown
    try {
      const reply = outcome.status === 'fulfilled' ? this.#writer?.reply : undefined
      if (reply !== undefined) {
        this.#bytesOut = reply.length
        sent = this.#send?.(reply, this)
      }
    } catch (error) {
      const sending = this.#sending(undefined, outcome)
      this.replied(error)
      return sending
    }
    if (sent === repliesLater) return this.#sending(undefined, outcome)
    return isPromiseLike(sent) ? this.#sending(sent, outcome) : this.#leave(outcome)
  }

  /** Let go at once. */
  protected override cut(error: AbortedError): void {
    if (this.isClosing) {
      // A moment later: then it is known to be aborted. Before there is anything to wait for, what waits will tell.
      if (this.#told !== undefined) queueMicrotask(() => this.replied(error))
      return
    }
    this.#giveUp(error)
    this.#leaving = this.#leave({ status: 'aborted', reason: error }).catch((thrown: unknown) =>
      this.server.noteError(thrown, this)
    )
  }

  /** Call back when no iteration of the source is under way. */
  protected override whenReadEnds(callback: () => void): void {
    this.#input.whenIdle(callback)
  }

  /**
   * The reply has left, or has not: called by who sends it, where `close()` waits for that.
   *
   * @internal
   */
  replied(error?: unknown): void {
    const told = this.#told
    this.#told = undefined
    told?.(error)
  }

  /**
   * The reply that was to leave later waits for its peer.
   *
   * @internal
   */
  waitsFor(sent: PromiseLike<unknown>): void {
    sent.then(
      () => this.replied(),
      (error: unknown) => this.replied(error ?? new Error('The reply failed'))
    )
  }

  /**
   * `close()` does not wait any longer; the request is open still.
   *
   * @internal
   */
  protected closeEarly(): void {
    this.#letGo?.()
  }

  /** Waits for the reply, but not longer than until the request is cut off. */
  #sending(sent: PromiseLike<unknown> | undefined, outcome: Settlement): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#letGo = resolve
      this.#told = (error) => {
        if (error === undefined) this.#leave(outcome).then(resolve, reject)
        else this.#leave({ status: 'rejected', reason: toError(error) }).then(() => reject(toError(error)), reject)
      }
      if (sent !== undefined) this.waitsFor(sent)
    })
  }

  #leave(outcome: Settlement): Promise<void> {
    let released: unknown
    try {
      released = this.#release?.(outcome)
    } catch (error) {
      released = rejection(error)
    }
    if (isPromiseLike(released)) return this.#leaveAfter(released, outcome)
    this.leave(outcome)
    return settled
  }

  async #leaveAfter(released: PromiseLike<unknown>, outcome: Settlement): Promise<void> {
    try {
      await released
    } finally {
      this.leave(outcome)
    }
  }

  #giveUp(fault: Fault): void {
    this.#over ??= fault
    this.#reader?.close(fault)
    this.#writer?.close(fault)
  }
}
