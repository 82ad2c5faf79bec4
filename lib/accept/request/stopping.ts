import { setMaxListeners } from 'node:events'
import type { RequestServer } from '../../request.ts'

// Those who have asked, by their server. Each has a signal of its own: taking one listener off a signal that thousands
// listen to means looking through all of them.
const asked = new WeakMap<AbortSignal, Set<AbortController>>()

/** The `stopping` of one request: aborts with that of its server. */
export class Stopping {
  readonly #controller = new AbortController()
  readonly #others: Set<AbortController> | undefined

  /** @param server - whose request it is */
  constructor({ stopping }: RequestServer) {
    setMaxListeners(0, this.#controller.signal)
    if (stopping.aborted) this.#controller.abort(stopping.reason)
    else {
      this.#others = othersOf(stopping)
      this.#others.add(this.#controller)
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The request has gone: nobody waits for it any more. */
  end(): void {
    this.#others?.delete(this.#controller)
  }
}

function othersOf(stopping: AbortSignal): Set<AbortController> {
  const there = asked.get(stopping)
  if (there !== undefined) return there
  const controllers = new Set<AbortController>()
  asked.set(stopping, controllers)
  stopping.addEventListener(
    'abort',
    () => {
      for (const controller of controllers) controller.abort(stopping.reason)
      controllers.clear()
    },
    { once: true }
  )
  return controllers
}
