import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** Messages of a `diagnostics_channel`, from now on. */
export interface Overheard<T> {
  readonly messages: readonly T[]
  /** Settles when there are `n` of them. */
  count(n: number): Promise<void>
  [Symbol.dispose](): void
}

/** Listen to one of the package's channels: `overhear('accepted')`. */
export function overhear<T>(name: string): Overheard<T> {
  const messages: T[] = []
  const waiting = new Set<() => void>()
  const heard = (message: unknown): void => {
    messages.push(message as T)
    for (const look of waiting) look()
  }
  subscribe(`it-socketserver:${name}`, heard)
  return {
    messages,
    count: (n) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (messages.length < n) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    [Symbol.dispose]: () => void unsubscribe(`it-socketserver:${name}`, heard)
  }
}

/** Whether a promise has settled, as far as the turns of the loop up to now tell. */
export async function settled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  await new Promise((resolve) => setImmediate(resolve))
  const first = await Promise.race([promise, Promise.resolve(pending)]).catch(() => undefined)
  return first !== pending
}
