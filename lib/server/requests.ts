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
  /** A loop has got a request. */
  begin(request: R): void
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

  next(): Promise<IteratorResult<R, undefined>> {
    if (this.#at === 'new') {
      this.#at = 'looping'
      this.#server.looping(1)
    }
    const ready = this.#server.ready()
    return ready === undefined ? this.#take() : this.#takeWhen(ready)
  }

  async #takeWhen(ready: Promise<boolean>): Promise<IteratorResult<R, undefined>> {
    try {
      if (!(await ready)) this.#leave()
    } catch (error) {
      return this.#failed(error)
    }
    return this.#take()
  }

  // Not an async function: nothing costs more of what a request costs a loop.
  #take(): Promise<IteratorResult<R, undefined>> {
    if (!this.#left) return this.#server.handOff.next(this).then(this.#arrived, this.#failed)
    return Promise.resolve(done)
  }

  readonly #arrived = (
    result: IteratorResult<R, undefined>
  ): IteratorResult<R, undefined> | Promise<IteratorResult<R, undefined>> => {
    if (result.done === true) {
      this.#leave()
      return done
    }
    try {
      const admitted = this.#server.admit(result.value)
      if (admitted !== true || this.#left) return this.#arrivedLater(result, admitted)
      this.#server.begin(result.value)
      return result
    } catch (error) {
      return this.#failed(error)
    }
  }

  async #arrivedLater(
    result: IteratorYieldResult<R>,
    admitted: boolean | Promise<boolean>
  ): Promise<IteratorResult<R, undefined>> {
    let isIn: boolean
    try {
      isIn = await admitted
    } catch (error) {
      return this.#failed(error)
    }
    if (!isIn) return this.#take()
    if (!this.#left) {
      this.#server.begin(result.value)
      return result
    }
    this.#server.giveBack(result.value)
    return done
  }

  readonly #failed = async (error: unknown): Promise<never> => {
    this.#leave()
    await this.#server.abandon()
    throw error
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
