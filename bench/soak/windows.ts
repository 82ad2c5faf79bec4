/** Why a client that did nothing wrong may be cut off, or not be answered: a fault that was meant to happen */
export type Excuse = 'kill' | 'deadline' | 'suspended' | 'connections' | 'address' | 'verify' | 'at rest' | 'lost'

interface Window {
  readonly excuse: Excuse
  readonly from: number
  to: number
}

// A client hears of it a little later, on a busy machine.
const grace = 2_000
const kept = 120_000

/** When which faults were going on at a server */
export class Windows {
  #windows: Window[] = []

  /** It begins; the answer ends it */
  open(excuse: Excuse): () => void {
    const now = performance.now()
    const window: Window = { excuse, from: now, to: Number.POSITIVE_INFINITY }
    this.#windows = this.#windows.filter(({ to }) => to > now - kept)
    this.#windows.push(window)
    return () => {
      window.to = performance.now() + grace
    }
  }

  /** What has gone on since a moment */
  since(moment: number): Excuse[] {
    return [...new Set(this.#windows.filter(({ to }) => to >= moment).map(({ excuse }) => excuse))]
  }
}
