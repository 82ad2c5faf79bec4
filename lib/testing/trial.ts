import { turn } from '../iterator/turn.ts'

/** What one case of a kit works with: nothing is waited for without end, and everything is cleaned up. */
export class Trial {
  readonly #patience: number
  readonly #cleanups: (() => unknown)[] = []

  /** @param patience - milliseconds after which what has not come never will */
  constructor(patience: number) {
    this.#patience = patience
  }

  /**
   * Wait for something that must come.
   *
   * @param what - as a clause: `the accept that waits ends`
   * @param promise - what is waited for
   * @param times - so many times as long as usual
   */
  async soon<T>(what: string, promise: T | PromiseLike<T>, times = 1): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const milliseconds = times * this.#patience
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(tooLate(what, milliseconds)), milliseconds)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Wait until something is the case.
   *
   * @param what - as a clause
   * @param holds - whether it is
   */
  async until(what: string, holds: () => boolean): Promise<void> {
    for (const end = performance.now() + this.#patience; !holds(); await turn()) {
      if (performance.now() > end) throw tooLate(what, this.#patience)
    }
  }

  /** Do this at the end, whatever comes. */
  after(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup)
  }

  /** Clean up, the last first. */
  async end(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) {
      // What is broken may not come to an end either, and the case has told what is wrong.
      await this.soon('the cleanup ends', Promise.resolve(cleanup())).catch(() => {})
    }
  }
}

function tooLate(what: string, milliseconds: number): Error {
  return new Error(`this did not come true within ${milliseconds} ms: ${what}`)
}

/** Turns of the loop in which something that must not happen could have happened. */
export async function turns(many = 10): Promise<void> {
  for (let i = 0; i < many; i++) await turn()
}

/** The same, for what a timer would do. */
export function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10))
}
