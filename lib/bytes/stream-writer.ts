import { ClosedError, LimitExceededError } from '../errors.ts'
import { type Deferred, deferred, rejection, settled } from '../iterator/deferred.ts'
import { errorOf, type Fault } from '../iterator/fault.ts'
import { toError } from '../outcome.ts'
import type { WFile, Writable } from '../wfile.ts'
import { ChunkList } from './chunk-list.ts'
import { flushThisTurn } from './flush-turn.ts'

/** Who has something sent. Not a callback: each of many thousands would keep a closure. */
export interface Sender {
  /** Called once for each send, when what was sent is the kernel's, or with an error. */
  sent(error?: Error | null): void
}

/** Where a writer's bytes go. */
export interface Outlet {
  /** Send chunks in order, and tell the sender: never before the last did. */
  send(chunks: readonly Uint8Array[], bytes: number, sender: Sender): void
  /** Tell the peer that this was all; `finished` is called once. */
  finish(finished: (error?: Error | null) => void): void
  /** Writes were piled up past the bound: the peer does not read, and the handler does not wait for it. */
  overflow(error: LimitExceededError): void
  /** `send` has thrown: what it was given is lost, and nothing leaves any more. */
  lost(error: Error): void
}

const defaultWriteHighWaterMark = 65_536
export const defaultMaxWriteQueue = 16 * 1024 * 1024

// What a turn has gathered leaves at once where it is this much: waiting longer saves no system call.
const flushAtOnce = 65_536

/** The wfile of a connection: see {@link WFile}. One send at a time is under way; what comes meanwhile leaves together. */
export class StreamWriter implements WFile, Sender {
  readonly #outlet: Outlet
  readonly #chunks = new ChunkList()
  #pending = 0
  #inFlight = 0
  #sending = false
  #dirty = false
  #highWaterMark = defaultWriteHighWaterMark
  #maxQueue = defaultMaxWriteQueue
  #error: Fault | undefined
  #lost = false
  #finishing = false
  #finished = false
  #drained: Deferred<void> | undefined
  // The bytes that have ever been written and that have left, and who waits for which of them.
  #written = 0
  #gone = 0
  #flushing: { readonly upTo: number; readonly done: Deferred<void> }[] | undefined
  #ended = false
  #ending: Deferred<void> | undefined
  #hold: { readonly held: () => void; chunks: Uint8Array[]; bytes: number } | undefined

  /** @param outlet - where the bytes go */
  constructor(outlet: Outlet) {
    this.#outlet = outlet
  }

  get length(): number {
    return this.#pending + this.#inFlight
  }

  /** Whether `end()` was called. */
  get ended(): boolean {
    return this.#ended
  }

  /** Above this many bytes a write waits: Python's `wbufsize`. */
  set highWaterMark(bytes: number) {
    this.#highWaterMark = bytes
  }

  /** Above this many bytes a write that was not waited for is an error. */
  set maxQueue(bytes: number) {
    this.#maxQueue = bytes
  }

  write(bytes: Writable): Promise<void> {
    if (this.#error !== undefined || this.#ended) return this.#refused()
    if (this.length > Math.max(this.#maxQueue, this.#highWaterMark)) return this.#overflow()
    const size = this.#chunks.append(bytes)
    this.#pending += size
    this.#written += size
    if (this.#pending > 0 && !this.#sending) {
      if (this.#pending >= flushAtOnce) this.#send()
      else if (!this.#dirty) {
        this.#dirty = true
        flushThisTurn(this)
      }
    }
    if (this.#error !== undefined) return this.#refused()
    if (this.length <= this.#highWaterMark) return settled
    this.#drained ??= deferred<void>()
    return this.#drained.promise
  }

  flush(): Promise<void> {
    if (this.#error !== undefined) return this.#refused()
    if (this.length === 0) return settled
    if (!this.#sending) this.#send()
    if (this.#error !== undefined) return this.#refused()
    if (this.length === 0) return settled
    const done = deferred<void>()
    this.#flushing ??= []
    this.#flushing.push({ upTo: this.#written, done })
    return done.promise
  }

  end(bytes?: Writable): Promise<void> {
    if (bytes !== undefined) {
      if (this.#ended) return this.#refused()
      void this.write(bytes)
    }
    if (!this.#ended) {
      this.#ended = true
      if (this.#error === undefined && !this.#sending) {
        if (this.#pending > 0) this.#send()
        else this.#finish()
      }
    }
    if (this.#error !== undefined) return this.#lost ? rejection(errorOf(this.#error)) : settled
    if (this.#finished) return settled
    this.#ending ??= deferred<void>()
    return this.#ending.promise
  }

  /**
   * Send what was written so far; what is written from now on waits for `release`.
   *
   * @param held - called once, when the kernel has what was written so far; not where the way is gone before
   * @returns why it never will be, where the way is gone already
   */
  hold(held: () => void): Error | undefined {
    if (this.#error !== undefined) return errorOf(this.#error)
    if (this.#sending) {
      // They have a send of their own, before anything that is written later.
      this.#hold = { held, chunks: this.#chunks.take(), bytes: this.#pending }
      this.#pending = 0
      return undefined
    }
    this.#hold = { held, chunks: [], bytes: 0 }
    if (this.#pending > 0) this.#send()
    else this.#holdBack(this.#hold)
    return this.#error === undefined ? undefined : errorOf(this.#error)
  }

  /** Send what was held back, and what comes. */
  release(): void {
    this.#hold = undefined
    this.sent()
  }

  flushTurn(): void {
    this.#dirty = false
    if (!this.#sending && this.#pending > 0) this.#send()
  }

  /** The way is gone: what is left is dropped, and whoever waits or comes later gets the error. */
  fail(fault: Fault): void {
    if (this.#error !== undefined) return
    this.#error = fault
    this.#lost = this.length > 0
    this.#chunks.take()
    this.#pending = 0
    this.#inFlight = 0
    this.#drained?.reject(errorOf(fault))
    for (const { done } of this.#flushing?.splice(0) ?? []) done.reject(errorOf(fault))
    if (this.#lost) this.#ending?.reject(errorOf(fault))
    else this.#ending?.resolve()
  }

  #send(): void {
    const bytes = this.#pending
    this.#pending = 0
    this.#dispatch(this.#chunks.take(), bytes)
  }

  #dispatch(chunks: Uint8Array[], bytes: number): void {
    this.#inFlight = bytes
    this.#sending = true
    try {
      this.#outlet.send(chunks, this.#inFlight, this)
    } catch (error) {
      // Bytes that were taken away meanwhile, say: it must not reach the other writers of this turn.
      this.#sending = false
      // The outlet first: what callers get is what it makes of it.
      this.#outlet.lost(toError(error))
      this.fail(toError(error))
    }
  }

  /** The kernel has what was handed over, or there was an error. */
  sent(error?: Error | null): void {
    this.#sending = false
    if (this.#error !== undefined) return
    if (error != null) {
      this.fail(error)
      return
    }
    this.#gone += this.#inFlight
    this.#inFlight = 0
    if (this.#flushing !== undefined) this.#flushed(this.#flushing)
    if (this.#hold !== undefined) {
      this.#holdBack(this.#hold)
      return
    }
    if (this.#pending > 0) this.#send()
    if (this.#drained !== undefined && this.length <= this.#highWaterMark) {
      this.#drained.resolve()
      this.#drained = undefined
    }
    if (this.length > 0) return
    if (this.#ended) this.#finish()
  }

  #flushed(flushing: { readonly upTo: number; readonly done: Deferred<void> }[]): void {
    while (flushing.length > 0 && (flushing[0] as { upTo: number }).upTo <= this.#gone) flushing.shift()?.done.resolve()
  }

  // Whoever looks whether a send is under way finds one, so what is written piles up.
  #holdBack(hold: { readonly held: () => void; chunks: Uint8Array[]; bytes: number }): void {
    this.#sending = true
    const { chunks, bytes } = hold
    if (bytes === 0) hold.held()
    else {
      hold.chunks = []
      hold.bytes = 0
      this.#dispatch(chunks, bytes)
    }
  }

  #finish(): void {
    if (this.#finishing || this.#error !== undefined) return
    this.#finishing = true
    this.#outlet.finish((error) => {
      if (error != null) {
        this.fail(error)
        return
      }
      this.#finished = true
      this.#ending?.resolve()
    })
  }

  #refused(): Promise<void> {
    return rejection(
      this.#error === undefined ? new ClosedError('Cannot write: the output was ended') : errorOf(this.#error)
    )
  }

  #overflow(): Promise<void> {
    const error = new LimitExceededError(
      `Cannot write: ${this.length} bytes wait for a peer that does not read (maxWriteQueue is ${this.#maxQueue}); await write()`,
      this.#maxQueue
    )
    this.#outlet.overflow(error)
    return rejection(error)
  }
}
