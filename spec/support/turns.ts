/** Lets the microtasks run that are due, and those that they make. */
export async function microtasks(rounds = 2): Promise<void> {
  for (let i = 0; i < rounds; i++) await null
}

/** Lets whole turns of the event loop pass. */
export async function turns(many = 1): Promise<void> {
  for (let i = 0; i < many; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Lets turns pass until a condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns()
}

/** What has become of a promise so far. */
export interface Watched<T> {
  readonly promise: Promise<T>
  state: 'pending' | 'fulfilled' | 'rejected'
  value: T | undefined
  reason: unknown
}

/** Watches a promise, which then is never unhandled. */
export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { promise, state: 'pending', value: undefined, reason: undefined }
  promise.then(
    (value) => {
      watched.state = 'fulfilled'
      watched.value = value
    },
    (reason: unknown) => {
      watched.state = 'rejected'
      watched.reason = reason
    }
  )
  return watched
}
