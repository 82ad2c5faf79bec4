import type { Source } from 'it-stream-types'
import { type Address, formatAddress } from '../../address.ts'
import { type AbortCause, AbortedError } from '../../errors.ts'
import { undelivered } from '../../events.ts'
import { mayReject, settled } from '../../iterator/deferred.ts'
import { LazySignal } from '../../iterator/lazy-signal.ts'
import { type Runner, type Settlement, toError } from '../../outcome.ts'
import type { Request, RequestServer } from '../../request.ts'
import type { RFile } from '../../rfile.ts'
import type { WFile, Writable } from '../../wfile.ts'
import { type Life, life } from './life.ts'
import { type Seat, seat } from './seat.ts'
import { Stopping } from './stopping.ts'

const well: Settlement = { status: 'fulfilled', value: undefined }

/** What every request is, whatever it came by. */
export abstract class RequestBase implements Request {
  /** The server that handed it out. */
  readonly server: RequestServer
  /** Where it comes from; `undefined` where there is no such thing (a row). */
  readonly clientAddress: Address | undefined;
  /** @internal */
  [seat]: Seat | undefined = undefined;
  /** @internal */
  [life]: Life = undefined
  /** Set by a pool: the child process or the thread in which the handler ran. */
  ranBy: Runner | undefined = undefined
  #held = false
  #signal: LazySignal | undefined
  #stopping: Stopping | undefined
  #isClosing = false
  #closing: Promise<void> | undefined
  #gone = false
  // Not of `this`: a subclass with fields of its own could not stand for its base then.
  #listener: ((request: never, outcome: Settlement) => void) | undefined
  #listeners: ((request: never, outcome: Settlement) => void)[] | undefined
  #outcome: Settlement = well

  /**
   * @param server - the server that hands it out
   * @param clientAddress - where it comes from
   */
  constructor(server: RequestServer, clientAddress: Address | undefined) {
    this.server = server
    this.clientAddress = clientAddress
  }

  /** The input: see {@link RFile}. */
  abstract get rfile(): RFile
  /** The output: see {@link WFile}. */
  abstract get wfile(): WFile
  /** Bytes that came in so far. */
  abstract get bytesIn(): number
  /** Bytes handed over to leave so far. */
  abstract get bytesOut(): number

  /** Whether all has been sent, and only the peer's end is awaited. */
  abstract get lingering(): boolean
  /** Send what is left and release what the request holds; called once. */
  protected abstract finish(outcome: Settlement): Promise<void>
  /** Let go at once; called at most once. */
  protected abstract cut(error: AbortedError): void
  /** Call back when no iteration of the source is under way. */
  protected abstract whenReadEnds(callback: () => void): void

  /** Set by a mode: its work closes the request, so the end of `sink` does not. */
  get held(): boolean {
    return this.#held
  }

  set held(held: boolean) {
    this.#held = held
  }

  /** Aborts, with an {@link AbortedError}, when the request ends before its time. */
  get signal(): AbortSignal {
    this.#signal ??= new LazySignal()
    return this.#signal.signal
  }

  /** Aborts when the server begins to close: finish soon. */
  get stopping(): AbortSignal {
    if (this.#stopping === undefined) {
      this.#stopping = new Stopping(this.server)
      if (this.#gone) this.#stopping.end()
    }
    return this.#stopping.signal
  }

  /** The input, as it-pipe wants it: the rfile itself. */
  get source(): RFile {
    return this.rfile
  }

  /** The output, as it-pipe wants it: writes a source to `wfile`, ends it, and closes the request where no mode will. */
  get sink(): (source: Source<Writable>) => Promise<void> {
    return (source) => this.#drink(source)
  }

  /**
   * End the request: send what is left and release it. Safe to call twice.
   *
   * @param outcome - how it went; a message replies only where it is `fulfilled`, the default
   * @throws {@link AbortedError} where something written could not be sent any more
   */
  close(outcome: Settlement = well): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true
      this.#outcome = outcome
      this.#closing = this.finish(outcome)
      // Whoever awaits it gets its error; where nobody does, the signal and the events have told.
      mayReject(this.#closing)
    }
    // Not yet there where finish() itself calls back into close().
    return this.#closing ?? settled
  }

  /**
   * Cut the request off: nothing more is sent or read.
   *
   * @param reason - why; becomes the `origin` of the {@link AbortedError}, or is one
   */
  abort(reason?: unknown): void {
    if (reason instanceof AbortedError) this.abortWith(reason)
    else this.abortFor('server-error', reason === undefined ? 'abort() was called' : toError(reason).message, reason)
  }

  /**
   * Call a listener once, when the request has gone.
   *
   * @param listener - gets the request and how it went; called at once where the request has gone already
   */
  whenClosed(listener: (request: this, outcome: Settlement) => void): void {
    if (this.#gone) {
      listener(this, this.#outcome)
      return
    }
    if (this.#listener === undefined) this.#listener = listener
    else {
      this.#listeners ??= []
      this.#listeners.push(listener)
    }
  }

  /**
   * Close it, well: also where the block was left by a throw, of which it cannot know. A message that must not be answered
   * or committed then is closed by hand, with its outcome. What could not be sent is an event, not an error: see the
   * `undelivered` channel.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.close()
    } catch (error) {
      if (undelivered.hasSubscribers)
        undelivered.publish({ server: this.server, clientAddress: this.clientAddress, error })
    }
  }

  /**
   * How it was closed, once it was.
   *
   * @internal
   */
  get closedWith(): Settlement | undefined {
    return this.#isClosing ? this.#outcome : undefined
  }

  /** Whether it has gone. */
  protected get isGone(): boolean {
    return this.#gone
  }

  /** Whether `close()` was called. */
  protected get isClosing(): boolean {
    return this.#isClosing
  }

  /** Why it was aborted, where it was. */
  get abortReason(): AbortedError | undefined {
    return this.#signal?.reason as AbortedError | undefined
  }

  /**
   * Cut off a request that nobody will serve.
   *
   * @internal
   */
  refuse(why: string): void {
    this.abortFor('refused', why)
  }

  /** Abort for a cause. */
  protected abortFor(cause: AbortCause, why: string, origin?: unknown): void {
    this.abortWith(
      new AbortedError(`The request from ${formatAddress(this.clientAddress)} was aborted: ${why}`, cause, origin)
    )
  }

  /** Abort, once. */
  protected abortWith(error: AbortedError): void {
    if (this.#gone || this.abortReason !== undefined) return
    this.cut(error)
    this.#signal ??= new LazySignal()
    this.#signal.abort(error)
  }

  /** It has gone: whoever wanted to know is told, once. */
  protected leave(outcome: Settlement = this.#outcome): void {
    if (this.#gone) return
    this.#gone = true
    this.#stopping?.end()
    this.#outcome = this.abortReason === undefined ? outcome : { status: 'aborted', reason: this.abortReason }
    const first = this.#listener
    const listeners = this.#listeners
    this.#listener = undefined
    this.#listeners = undefined
    if (first !== undefined) this.#tell(first)
    if (listeners !== undefined) for (const listener of listeners) this.#tell(listener)
  }

  /** In a socket's callback there is nobody to throw to. */
  #tell(listener: (request: never, outcome: Settlement) => void): void {
    try {
      listener(this as never, this.#outcome)
    } catch (error) {
      void this.server.noteError(error, this)
    }
  }

  async #drink(source: Source<Writable>): Promise<void> {
    try {
      for await (const bytes of source) await this.wfile.write(bytes)
      await this.wfile.end()
    } catch (thrown) {
      if (!this.held) await this.close({ status: 'rejected', reason: toError(thrown) }).catch(() => {})
      throw thrown
    }
    if (this.held) return
    // Whoever still iterates the source gets the rest of it: the request is closed after that.
    let idle = false
    this.whenReadEnds(() => {
      idle = true
      this.close().catch(() => {})
    })
    if (idle) await this.close()
  }
}
