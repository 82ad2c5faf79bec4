import { MessageRequest } from '../../lib/accept/request/message-request.ts'
import type { Settlement } from '../../lib/outcome.ts'
import { BaseServer } from '../../lib/server/base.ts'
import { microtasks, turns } from '../support/turns.ts'

/** How long something takes: up to 3 are microtasks, above that whole turns of the loop. */
export type Delay = number

export async function pause(delay: Delay): Promise<void> {
  if (delay <= 3) await microtasks(delay)
  else await turns(delay - 3)
}

/** Notes errors and prints nothing. */
export class QuietServer extends BaseServer<MessageRequest> {
  readonly errors: unknown[] = []

  override handleError(error: unknown): void {
    this.errors.push(error)
  }
}

export interface SourcePlan {
  /** How long each request takes to come. */
  readonly arrivals: readonly Delay[]
  /** How it ends after the last: by itself, by an error (of the promise, or thrown at once), or never. */
  readonly end: 'done' | 'rejects' | 'throws' | 'parked'
  /** What `next()` gives: a promise, something like a promise, or the result itself. */
  readonly answers: 'promise' | 'thenable' | 'sync'
  /** What its `return()` does, where it has one. */
  readonly giveBack: 'missing' | 'answers' | 'rejects' | 'throws' | 'never' | 'ends the pull'
}

/** Requests that keep a record of what becomes of them, and a source of them that notices how it is treated. */
export class TrackedSource {
  readonly server = new QuietServer()
  readonly failure = new Error('the source is dead')
  readonly violations: string[] = []
  /** How the requests were closed, one list for each. */
  readonly released: Settlement[][] = []
  /** How often `return()` was called. */
  returns = 0
  /** Whether the one who pulls knows that the source has ended by itself. */
  ended = false
  /** Whether `next()` has been called and not answered. */
  pulling = false
  readonly #plan: SourcePlan
  readonly #mayPull: () => string | undefined
  #endPull: ((result: IteratorResult<MessageRequest>) => void) | undefined

  /**
   * @param plan - what it does
   * @param mayPull - says what is wrong with pulling one more just now
   */
  constructor(plan: SourcePlan, mayPull: () => string | undefined) {
    this.#plan = plan
    this.#mayPull = mayPull
  }

  get pulled(): number {
    return this.released.length
  }

  get closed(): number {
    return this.released.filter((settlements) => settlements.length > 0).length
  }

  /** What the stage gets. */
  get iterable(): AsyncIterable<MessageRequest> | Iterable<MessageRequest> {
    const iterator = {
      next: () => this.#next(),
      ...(this.#plan.giveBack !== 'missing' && { return: () => this.#return() })
    }
    const key = this.#plan.answers === 'sync' ? Symbol.iterator : Symbol.asyncIterator
    return { [key]: () => iterator } as unknown as AsyncIterable<MessageRequest>
  }

  #next(): unknown {
    if (this.pulling) this.violations.push('pulled twice at once')
    if (this.ended) this.violations.push('pulled after its end')
    if (this.returns > 0) this.violations.push('pulled after it was given back')
    const wrong = this.#mayPull()
    if (wrong !== undefined) this.violations.push(wrong)
    const { arrivals, answers } = this.#plan
    const delay = arrivals[this.pulled]
    if (answers === 'sync') {
      if (delay === undefined) return this.#endNow()
      return { done: false, value: this.#request() }
    }
    if (delay === undefined && this.#plan.end === 'throws') return this.#endNow()
    this.pulling = true
    const answer = this.#later(delay)
    const noted = (): void => {
      this.ended = true
    }
    if (answers === 'promise') {
      // Registered first, so that nothing runs between this note and the reaction of the one who pulled.
      answer.then((result) => result.done === true && noted(), noted)
      return answer
    }
    return {
      // biome-ignore lint/suspicious/noThenProperty: it is a thenable on purpose
      then: (resolve: (result: IteratorResult<MessageRequest>) => void, reject: (error: unknown) => void) =>
        answer.then(
          (result) => {
            if (result.done === true) queueMicrotask(noted)
            resolve(result)
          },
          (error: unknown) => {
            queueMicrotask(noted)
            reject(error)
          }
        )
    }
  }

  #endNow(): IteratorResult<MessageRequest> {
    if (this.#plan.end === 'throws' || this.#plan.end === 'rejects') {
      this.ended = true
      throw this.failure
    }
    queueMicrotask(() => {
      this.ended = true
    })
    return { done: true, value: undefined }
  }

  async #later(delay: Delay | undefined): Promise<IteratorResult<MessageRequest>> {
    const { end } = this.#plan
    if (delay === undefined && end === 'parked') {
      return await new Promise((resolve) => {
        this.#endPull = resolve
      })
    }
    await pause(delay ?? 0)
    this.pulling = false
    if (delay !== undefined) return { done: false, value: this.#request() }
    if (end === 'rejects') throw this.failure
    return { done: true, value: undefined }
  }

  #return(): unknown {
    if (++this.returns > 1) this.violations.push('given back twice')
    if (this.ended) this.violations.push('given back after its end')
    switch (this.#plan.giveBack) {
      case 'throws':
        throw new Error('return() throws')
      case 'rejects':
        return Promise.reject(new Error('return() rejects'))
      case 'never':
        return new Promise(() => {})
      case 'ends the pull':
        this.#endPull?.({ done: true, value: undefined })
        return Promise.resolve({ done: true, value: undefined })
      default:
        return Promise.resolve({ done: true, value: undefined })
    }
  }

  #request(): MessageRequest {
    const settlements: Settlement[] = []
    const packet = String(this.released.push(settlements) - 1)
    return new MessageRequest({ server: this.server, packet, release: (settlement) => settlements.push(settlement) })
  }
}
