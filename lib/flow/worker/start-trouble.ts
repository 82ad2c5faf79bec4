import { WorkerStartError } from '../../errors.ts'

// Workers that die in a row before they could serve: then the pool gives up, where it has no other.
const mostFailures = 5

const firstPause = 100

/** Counts workers that die before they can serve, and makes the pool wait longer and longer before it starts another. */
export class StartTrouble {
  readonly #noun: string
  readonly #goOn: () => void
  #failures = 0
  #pause: NodeJS.Timeout | undefined

  /**
   * @param noun - what a worker is called
   * @param goOn - called when another may be started
   */
  constructor(noun: string, goOn: () => void) {
    this.#noun = noun
    this.#goOn = goOn
  }

  /** Whether another may be started now. */
  mayStart(): boolean {
    return this.#pause === undefined
  }

  /** Whether one more is too many, where there is no other. */
  get isGrave(): boolean {
    return this.#failures >= mostFailures
  }

  /** One serves. */
  overcome(): void {
    this.#failures = 0
  }

  /**
   * One has died before it could serve.
   *
   * @param cause - what it said
   * @param how - how it died
   * @param othersServe - whether there are others that do, or may yet: then one that can't be added is no reason to give up
   * @returns where it is one too many, the error of the pool
   */
  failed(cause: Error | undefined, how: string, othersServe: boolean): WorkerStartError | undefined {
    this.#failures++
    if (this.isGrave && !othersServe) {
      const why = cause === undefined ? `the last one ${how}` : cause.message
      return new WorkerStartError(
        `Cannot start a ${this.#noun}: ${this.#failures} in a row have died before they could serve (${why})`,
        cause
      )
    }
    clearTimeout(this.#pause)
    this.#pause = setTimeout(
      () => {
        this.#pause = undefined
        this.#goOn()
      },
      firstPause * 2 ** (Math.min(this.#failures, mostFailures) - 1)
    )
    return undefined
  }

  /** Nobody waits for another any more. */
  end(): void {
    clearTimeout(this.#pause)
    this.#pause = undefined
  }
}
