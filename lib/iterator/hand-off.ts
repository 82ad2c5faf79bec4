import { type Deferred, deferred, pending } from './deferred.ts'
import { isPromiseLike } from './promise-like.ts'

interface Reader<T> {
  readonly owner: object
  readonly asked: Deferred<IteratorResult<T, undefined>>
}

const done = { done: true, value: undefined } as const

/** What a {@link HandOff} stands between. */
export interface HandOffEnds<T> {
  /** Asks the source for its next item; `undefined` is the end. */
  readonly pull: () => T | undefined | PromiseLike<T | undefined>
  /** Whether nothing may be asked for now: {@link HandOff.goOn} says when that is over. */
  readonly isHeld?: () => boolean
  /** An item has come: it will be taken or refused. */
  readonly arrived: (item: T) => void
  /** Whether an error of the source is only its way to end. */
  readonly isEnd?: (error: unknown) => boolean
  /** Gets what nobody will take any more. */
  readonly refuse: (item: T) => void
}

/**
 * One source, many readers: each item goes to one of them, in the order in which they asked.
 *
 * The source is pulled only while somebody waits, and never twice at once. A reader that gives up leaves nothing behind:
 * what was pulled for it goes to the next one. The end wakes every parked reader, whether or not the source answers.
 */
export class HandOff<T> {
  readonly #ends: HandOffEnds<T>
  readonly #endReached = deferred<void>()
  readonly #readers: Reader<T>[] = []
  readonly #kept: T[] = []
  #pulling = false
  #ended = false
  #failure: { readonly error: unknown } | undefined

  /** @param ends - what it stands between */
  constructor(ends: HandOffEnds<T>) {
    this.#ends = ends
  }

  /** Settles when the end has come, or the source has failed. */
  get whenEnded(): Promise<void> {
    return this.#endReached.promise
  }

  /** Items pulled that no reader has. */
  get kept(): number {
    return this.#kept.length
  }

  /**
   * The next item for this reader.
   *
   * @param owner - who asks: {@link HandOff.release} with the same object takes the question back
   */
  next(owner: object): Promise<IteratorResult<T, undefined>> {
    if (this.#kept.length > 0) return Promise.resolve({ done: false, value: this.#kept.shift() as T })
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error)
    if (this.#ended) return Promise.resolve(done)
    const asked = pending<IteratorResult<T, undefined>>()
    this.#readers.push({ owner, asked })
    if (!this.#pulling) this.#fetch()
    return asked.promise
  }

  /** It is not held any more. */
  goOn(): void {
    if (!this.#pulling) this.#fetch()
  }

  /** Take back what this owner asked for: its parked calls get `done`. */
  release(owner: object): void {
    for (const reader of this.#readers.filter((parked) => parked.owner === owner)) {
      this.#readers.splice(this.#readers.indexOf(reader), 1)
      reader.asked.resolve(done)
    }
  }

  /** Put an item back: it goes to the next reader. */
  giveBack(item: T): void {
    if (this.#ended) this.#ends.refuse(item)
    else {
      const reader = this.#readers.shift()
      if (reader === undefined) this.#kept.unshift(item)
      else reader.asked.resolve({ done: false, value: item })
    }
  }

  /** The end: every parked reader gets `done` now, and what comes later is refused. */
  end(): void {
    this.#ended = true
    this.#endReached.resolve()
    for (const reader of this.#readers.splice(0)) reader.asked.resolve(done)
    for (const item of this.#kept.splice(0)) this.#ends.refuse(item)
  }

  #fetch(): void {
    // A loop, not recursion: a source may answer at once for as long as readers wait.
    while (!this.#ended && this.#readers.length > 0 && this.#ends.isHeld?.() !== true) {
      let pulled: T | undefined | PromiseLike<T | undefined>
      this.#pulling = true
      try {
        pulled = this.#ends.pull()
      } catch (error) {
        this.#pulling = false
        this.#fail(error)
        return
      }
      if (isPromiseLike(pulled)) {
        pulled.then(this.#arrived, this.#fail)
        return
      }
      this.#pulling = false
      this.#deliver(pulled)
    }
  }

  readonly #arrived = (item: T | undefined): void => {
    this.#pulling = false
    this.#deliver(item)
    this.#fetch()
  }

  #deliver(item: T | undefined): void {
    if (item === undefined) {
      this.end()
      return
    }
    try {
      this.#ends.arrived(item)
    } catch (error) {
      this.#fail(error)
      return
    }
    this.giveBack(item)
  }

  readonly #fail = (error: unknown): void => {
    this.#pulling = false
    if (this.#ended) return
    if (this.#ends.isEnd?.(error) === true) {
      this.end()
      return
    }
    this.#ended = true
    this.#endReached.resolve()
    this.#failure = { error }
    for (const reader of this.#readers.splice(0)) reader.asked.reject(error)
  }
}
