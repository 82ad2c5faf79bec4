import { refuseRequest } from '../handler/refuse.ts'
import { isRequest } from '../handler/run.ts'
import { type Deferred, deferred } from '../iterator/deferred.ts'
import { openSource } from '../iterator/open-source.ts'
import { toError } from '../outcome.ts'
import { giveBack, isServer } from './give-back.ts'

const done = { done: true, value: undefined } as const

/** One of the sources: `asked` while a `next()` is under way, `ready` while its item is in hand. */
interface Inlet<T> {
  readonly source: AsyncIterable<T> | Iterable<T>
  readonly iterator: AsyncIterator<T> | Iterator<T>
  at: 'idle' | 'asked' | 'ready' | 'ended'
}

/** The iteration of {@link merge}. */
export class Merged<T> implements AsyncIterableIterator<T> {
  readonly #inlets: readonly Inlet<T>[]
  readonly #inHand: { readonly inlet: Inlet<T>; readonly item: T }[] = []
  readonly #parked: Deferred<IteratorResult<T, undefined>>[] = []
  readonly #errors: unknown[] = []
  #open: number
  #left = false

  constructor(sources: readonly (AsyncIterable<T> | Iterable<T>)[]) {
    this.#inlets = sources.map((source) => ({ source, iterator: openSource(source), at: 'idle' }))
    this.#open = sources.length
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const first = this.#inHand.shift()
    if (first !== undefined) {
      first.inlet.at = 'idle'
      return Promise.resolve({ done: false, value: first.item })
    }
    if (this.#left || this.#open === 0) return this.#end()
    const reader = deferred<IteratorResult<T, undefined>>()
    this.#parked.push(reader)
    this.#ask()
    return reader.promise
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    if (this.#left) return done
    this.#left = true
    for (const reader of this.#parked.splice(0)) reader.resolve(done)
    for (const { item } of this.#inHand.splice(0)) refuse(item)
    const open = this.#inlets.filter(({ at }) => at !== 'ended')
    await Promise.all(open.map(({ source, iterator }) => giveBack(source, iterator)))
    return done
  }

  // All that are idle, also where the first answers at once: whoever is not asked cannot have its turn.
  #ask(): void {
    for (const inlet of this.#inlets) {
      if (inlet.at !== 'idle' || this.#left) continue
      inlet.at = 'asked'
      try {
        Promise.resolve(inlet.iterator.next())
          .then((result) => this.#answered(inlet, result))
          .catch((error: unknown) => this.#failed(inlet, error))
      } catch (error) {
        this.#failed(inlet, error)
      }
    }
  }

  #answered(inlet: Inlet<T>, result: IteratorResult<T>): void {
    if (result.done === true) {
      this.#ended(inlet)
      return
    }
    // It arrives after the loop was left: refused, not lost.
    if (this.#left) {
      refuse(result.value)
      return
    }
    const reader = this.#parked.shift()
    if (reader === undefined) {
      inlet.at = 'ready'
      this.#inHand.push({ inlet, item: result.value })
      return
    }
    inlet.at = 'idle'
    reader.resolve({ done: false, value: result.value })
    if (this.#parked.length > 0) this.#ask()
  }

  #failed(inlet: Inlet<T>, error: unknown): void {
    // The same server twice fails twice with one error.
    if (!this.#left && !this.#errors.includes(error)) {
      this.#errors.push(error)
      if (isServer(inlet.source)) void inlet.source.noteError(error)
    }
    this.#ended(inlet)
  }

  #ended(inlet: Inlet<T>): void {
    inlet.at = 'ended'
    if (--this.#open > 0) return
    for (const reader of this.#parked.splice(0)) this.#end().then(reader.resolve, reader.reject)
  }

  /** What went wrong, once; then the end. */
  #end(): Promise<IteratorResult<T, undefined>> {
    const errors = this.#errors.splice(0)
    if (errors.length === 0 || this.#left) return Promise.resolve(done)
    return Promise.reject(errors.length === 1 ? errors[0] : this.#several(errors))
  }

  #several(errors: unknown[]): AggregateError {
    const reasons = errors.map((error) => toError(error).message).join('; ')
    return new AggregateError(errors, `${errors.length} of ${this.#inlets.length} merged sources failed: ${reasons}`)
  }
}

function refuse(item: unknown): void {
  if (isRequest(item)) void refuseRequest(item, 'closing')
}
