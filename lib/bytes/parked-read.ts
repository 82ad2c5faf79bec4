import { mayReject, pending } from '../iterator/deferred.ts'

/** What a read asks for. A number, not a closure: a read that finds its bytes makes nothing but its promise. */
export const kinds = { batch: 0, some: 1, exactly: 2, line: 3, lineResult: 4, until: 5, peek: 6, all: 7 } as const
export type Kind = (typeof kinds)[keyof typeof kinds]

/** Whose read it is. */
export interface ReadOwner {
  /** It was the last: the end, or an error. */
  leave(): void
}

/** The one read of a reader that may wait. The same object for one after the other: many thousands may wait at a time. */
export class ParkedRead {
  kind: Kind = kinds.batch
  n = 0
  chomp = false
  delimiter: Buffer | undefined
  /** The iteration that it belongs to. */
  owner: ReadOwner | undefined
  #promise: Promise<unknown> | undefined
  #resolve: ((value: unknown) => void) | undefined
  #reject: ((error: unknown) => void) | undefined

  /** Whether there is one. */
  get isParked(): boolean {
    return this.#promise !== undefined
  }

  /** A read begins to wait. */
  park(kind: Kind, n: number, chomp: boolean, delimiter?: Buffer, owner?: ReadOwner): Promise<unknown> {
    // Not kept as one: a thousand that wait would keep a thousand more.
    const { promise, resolve, reject } = pending<unknown>()
    this.#promise = promise
    this.#resolve = resolve
    this.#reject = reject
    this.kind = kind
    this.n = n
    this.chomp = chomp
    this.delimiter = delimiter
    this.owner = owner
    return promise
  }

  /** It waits no more. */
  resolve(value: unknown): void {
    const resolve = this.#resolve
    this.#unpark()
    resolve?.(value)
  }

  /** It has failed. */
  reject(error: unknown): void {
    const promise = this.#promise
    const reject = this.#reject
    this.#unpark()
    // A read that nobody awaits must not end the process; a mode tells of it.
    if (promise !== undefined) mayReject(promise)
    reject?.(error)
  }

  #unpark(): void {
    this.#promise = undefined
    this.#resolve = undefined
    this.#reject = undefined
    this.delimiter = undefined
    this.owner = undefined
  }
}
