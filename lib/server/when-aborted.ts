import { show } from '../arguments.ts'

/** How long a server listens, or serves. */
export interface SignalOptions {
  /** Closes the server, with the default deadline, when it aborts. */
  readonly signal?: AbortSignal
}

/** An `AbortSignal`, or nothing. */
export function signalOption(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal
  throw new TypeError(`Option signal must be an AbortSignal: got ${show(signal)}`)
}

/**
 * Call back when a signal aborts: at once where it has.
 *
 * @param signal - may be none
 * @param over - from when on it does not matter any more
 * @param callback - called at most once
 */
export function whenAborted(signal: AbortSignal | undefined, over: Promise<unknown>, callback: () => void): void {
  if (signal === undefined) return
  if (signal.aborted) {
    callback()
    return
  }
  signal.addEventListener('abort', callback, { once: true })
  void over.then(() => signal.removeEventListener('abort', callback))
}
