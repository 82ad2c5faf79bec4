import { type Deferred, mayReject, pending } from '../iterator/deferred.ts'

/** What a read asks for. A number, not a closure: a read that finds its bytes makes nothing but its promise. */
export const kinds = { batch: 0, some: 1, exactly: 2, line: 3, lineResult: 4, until: 5, peek: 6, all: 7 } as const
export type Kind = (typeof kinds)[keyof typeof kinds]

/** The one read of a reader that may wait. The same object for one after the other: many thousands may wait at a time. */
export class ParkedRead {
  /** Whether there is one. */
  isParked = false
  kind: Kind = kinds.batch
  n = 0
  chomp = false
  delimiter: Buffer | undefined
  /** The iteration that it belongs to. */
  owner: (() => void) | undefined
  #read: Deferred<unknown> | undefined

  /** A read begins to wait. */
  park(kind: Kind, n: number, chomp: boolean, delimiter?: Buffer, owner?: () => void): Promise<unknown> {
    this.#read = pending<unknown>()
    this.isParked = true
    this.kind = kind
    this.n = n
    this.chomp = chomp
    this.delimiter = delimiter
    this.owner = owner
    return this.#read.promise
  }

  /** It waits no more. */
  resolve(value: unknown): void {
    this.#unpark()?.resolve(value)
  }

  /** It has failed. */
  reject(error: unknown): void {
    const read = this.#unpark()
    if (read === undefined) return
    // A read that nobody awaits must not end the process; a mode tells of it.
    mayReject(read.promise)
    read.reject(error)
  }

  #unpark(): Deferred<unknown> | undefined {
    const read = this.#read
    this.#read = undefined
    this.isParked = false
    this.delimiter = undefined
    this.owner = undefined
    return read
  }
}
