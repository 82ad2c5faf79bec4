import { refuseRequest } from '../handler/refuse.ts'
import { checkRequest } from '../handler/run.ts'
import { closeSource } from '../iterator/close-source.ts'
import { openSource } from '../iterator/open-source.ts'
import type { Request } from '../request.ts'

/** What an {@link Intake} stands on. */
export interface IntakeEnds<R extends Request> {
  /** What should come, for the error where something else does. */
  readonly rule: string
  /** A request has come, and is the stage's from now on. */
  readonly arrived: (request: R) => void
  /** The source has ended, or has failed. */
  readonly over: () => void
}

const done = { done: true, value: undefined } as const

/** Pulls requests out of the source of a stage, one at a time. What comes after the stage was left is refused, not lost. */
export class Intake<R extends Request> {
  readonly iterator: AsyncIterator<R> | Iterator<R>
  readonly #ends: IntakeEnds<R>
  #pulling = false
  #left = false
  #isOver = false
  #failure: { readonly error: unknown } | undefined

  constructor(source: AsyncIterable<R> | Iterable<R>, ends: IntakeEnds<R>) {
    this.iterator = openSource(source)
    this.#ends = ends
  }

  /** Whether the source has ended, or has failed. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether the stage was left. */
  get isLeft(): boolean {
    return this.#left
  }

  /** Ask for the next request, where that was not done. */
  pull(): void {
    if (this.#pulling || this.#left || this.#isOver) return
    this.#pulling = true
    try {
      const result = this.iterator.next()
      if (result instanceof Promise) result.then(this.#pulled, this.#failed)
      else Promise.resolve(result).then(this.#pulled, this.#failed)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** The stage is left. Giving the source back is its own affair. */
  leave(): void {
    this.#left = true
  }

  /** Give the source back, and end with an error. What comes meanwhile is refused. */
  fail(error: unknown): void {
    if (this.#isOver || this.#left) return
    closeSource(this.iterator)
    this.#failed(error)
  }

  /** What the stage ends with: the source's error, once; then the end. */
  end(): Promise<IteratorResult<never, undefined>> {
    const failure = this.#failure
    this.#failure = undefined
    return failure === undefined || this.#left ? Promise.resolve(done) : Promise.reject(failure.error)
  }

  readonly #pulled = (result: IteratorResult<R>): void => {
    this.#pulling = false
    if (result.done === true) {
      if (this.#isOver) return
      this.#isOver = true
      this.#ends.over()
      return
    }
    try {
      checkRequest(this.#ends.rule, result.value)
    } catch (error) {
      closeSource(this.iterator)
      this.#failed(error)
      return
    }
    if (this.#left || this.#isOver) void refuseRequest(result.value, 'closing')
    else this.#ends.arrived(result.value)
  }

  readonly #failed = (error: unknown): void => {
    this.#pulling = false
    if (this.#isOver) return
    this.#isOver = true
    this.#failure = { error }
    this.#ends.over()
  }
}
