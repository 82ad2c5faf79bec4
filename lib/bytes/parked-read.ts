/** What a read asks for. A number, not a closure: a read that finds its bytes makes nothing but its promise. */
export const kinds = { batch: 0, some: 1, exactly: 2, line: 3, lineResult: 4, until: 5, peek: 6, all: 7 } as const
export type Kind = (typeof kinds)[keyof typeof kinds]

// What the promise that is made last was given: no closure for each of them.
let resolveLast: (value: unknown) => void
let rejectLast: (error: unknown) => void
const capture = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  resolveLast = resolve
  rejectLast = reject
}

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
  #promise: Promise<unknown> | undefined
  #resolve: ((value: unknown) => void) | undefined
  #reject: ((error: unknown) => void) | undefined

  /** A read begins to wait. */
  park(kind: Kind, n: number, chomp: boolean, delimiter?: Buffer, owner?: () => void): Promise<unknown> {
    this.#promise = new Promise(capture)
    this.#resolve = resolveLast
    this.#reject = rejectLast
    this.isParked = true
    this.kind = kind
    this.n = n
    this.chomp = chomp
    this.delimiter = delimiter
    this.owner = owner
    return this.#promise
  }

  /** It waits no more. */
  resolve(value: unknown): void {
    const resolve = this.#resolve
    this.#unpark()
    resolve?.(value)
  }

  /** It has failed. */
  reject(error: unknown): void {
    const reject = this.#reject
    // A read that nobody awaits must not end the process; a mode tells of it.
    this.#promise?.catch(() => {})
    this.#unpark()
    reject?.(error)
  }

  #unpark(): void {
    this.isParked = false
    this.delimiter = undefined
    this.owner = undefined
    this.#promise = undefined
    this.#resolve = undefined
    this.#reject = undefined
  }
}
