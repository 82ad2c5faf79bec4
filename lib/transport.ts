import type { Address } from './address.ts'
import type { Request } from './request.ts'

/**
 * The contract of everything that takes requests in: binds, hands them over on demand, closes.
 *
 * `accept` is called by one caller at a time.
 */
export interface Listener<R extends Request> {
  /** Where it listens; `undefined` before `listen()`. */
  readonly address: Address | undefined
  /** Requests that were taken in and that nobody has accepted. */
  readonly waiting: number

  /**
   * Bind and begin to take requests in. Throws a {@link ListenError}; a {@link ClosedError} where it was closed or released
   * meanwhile: then everything was given back.
   */
  listen(): Promise<void>

  /** The next request; `undefined` when the listener has closed and nothing waits. Throws when the listener is dead. */
  accept(): R | undefined | Promise<R | undefined>

  /** Take nobody new in; what waits can still be accepted. Safe to call twice. */
  close(): Promise<void>

  /** Give everything back: the last request has gone. Closes where that was not done. Safe to call twice. */
  release(): Promise<void>

  /**
   * Take nobody new in until `resume()`, and keep the address: newcomers wait in the kernel where the listener leaves them
   * there, and are refused where it can't. What waits can still be accepted. Before `listen()` too; no matter after the close.
   */
  suspend(): void

  /** Take in again. */
  resume(): void

  /** Limits that it was given have changed: what they kept out may come in. */
  limitsChanged(): void

  /** Refuse what waits. */
  discard(): void

  /** The descriptor, where there is one. */
  fileno(): number | undefined

  /** Hold the process while listening (the default). */
  ref(): void

  /** Don't hold the process. */
  unref(): void
}
