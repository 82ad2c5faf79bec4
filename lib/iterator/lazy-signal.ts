import { setMaxListeners } from 'node:events'

/**
 * An abort signal that is made when somebody first asks for it: an `AbortController` costs more than the rest of a
 * request's bookkeeping, and most handlers never look.
 */
export class LazySignal {
  #controller: AbortController | undefined
  #aborted = false
  #reason: unknown

  /** Whether it was aborted; asking does not make the signal. */
  get aborted(): boolean {
    return this.#aborted
  }

  /** What it was aborted with. */
  get reason(): unknown {
    return this.#reason
  }

  /** The signal. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      // As many may listen as like: each stands for a piece of work of the request.
      setMaxListeners(0, this.#controller.signal)
      if (this.#aborted) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** Abort it; the first reason stays. */
  abort(reason: unknown): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
