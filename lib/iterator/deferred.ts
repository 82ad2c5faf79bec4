/** A promise with its two ends in hand. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

// What the promise that is made last was given: no closure for each of them.
let resolveLast: (value: never) => void
let rejectLast: (reason: unknown) => void
const capture = (resolve: (value: never) => void, reject: (reason: unknown) => void): void => {
  resolveLast = resolve
  rejectLast = reject
}

/** A promise to settle later, for somebody who awaits it. */
export function pending<T>(): Deferred<T> {
  const promise = new Promise<T>(capture)
  return { promise, resolve: resolveLast as (value: T) => void, reject: rejectLast }
}

/**
 * A promise to settle later. Its rejection is never unhandled: whoever awaits it gets it, and where nobody does, it was
 * reported some other way.
 */
export function deferred<T>(): Deferred<T> {
  const made = pending<T>()
  mayReject(made.promise)
  return made
}

/** A promise for all that has nothing to wait for. */
export const settled: Promise<void> = Promise.resolve()

/** The promise may be left unawaited, whatever becomes of it. */
export function mayReject(promise: Promise<unknown>): void {
  if (promise !== settled) promise.catch(ignore)
}

function ignore(): void {}

/** A rejection that may be left unawaited. */
export function rejection(error: unknown): Promise<never> {
  const promise = Promise.reject(error)
  promise.catch(ignore)
  return promise
}
