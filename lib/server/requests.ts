import type { HandOff } from '../iterator/hand-off.ts'
import type { Request } from '../request.ts'

/** How a server's requests are iterated. */
export interface RequestsOptions {
  /** Close the server when the loop is left early, the default; false to come back for more. */
  readonly closeOnReturn?: boolean
}

/** What an iteration needs of its server. */
export interface RequestSource<R extends Request> {
  /** Listens, where that was not done. */
  ready(): Promise<boolean> | undefined
  /** The one source. */
  readonly handOff: HandOff<R>
  /** Runs `verifyRequest`; where it says no the request was refused. */
  admit(request: R): boolean | Promise<boolean>
  /** The loop was left early, or its source is dead: nobody new comes in. Returns when the listener has closed. */
  abandon(): Promise<void>
  /** Takes back a request that was admitted for a loop that has been left. */
  giveBack(request: R): void
  /** An iteration begins or ends. */
  looping(by: 1 | -1): void
}

const done = { done: true, value: undefined } as const

/** One loop over a server. Several share the work: each request goes to one of them. */
export class Requests<R extends Request> implements AsyncIterableIterator<R> {
  readonly #server: RequestSource<R>
  readonly #closeOnReturn: boolean
  #at: 'new' | 'looping' | 'left' = 'new'

  constructor(server: RequestSource<R>, closeOnReturn: boolean) {
    this.#server = server
    this.#closeOnReturn = closeOnReturn
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<R, undefined>> {
    if (this.#at === 'new') {
      this.#at = 'looping'
      this.#server.looping(1)
    }
    try {
      const ready = this.#server.ready()
      if (ready !== undefined && !(await ready)) this.#leave()
      while (!this.#left) {
        const result = await this.#server.handOff.next(this)
        if (result.done === true) break
        const admitted = this.#server.admit(result.value)
        if (admitted !== true && !(await admitted)) continue
        if (!this.#left) return result
        this.#server.giveBack(result.value)
      }
    } catch (error) {
      this.#leave()
      await this.#server.abandon()
      throw error
    }
    this.#leave()
    return done
  }

  async return(): Promise<IteratorResult<R, undefined>> {
    const begun = this.#at !== 'left'
    this.#leave()
    this.#server.handOff.release(this)
    if (begun && this.#closeOnReturn) await this.#server.abandon()
    return done
  }

  get #left(): boolean {
    return this.#at === 'left'
  }

  #leave(): void {
    if (this.#at === 'looping') this.#server.looping(-1)
    this.#at = 'left'
  }
}
