import type { Request } from 'it-socketserver'

const keys = 4

interface Place {
  readonly key: number
  readonly turn: number
}

/** Looks at how a mode calls its handler: so many at a time, and those of a key in order, one after the other */
export class Watch {
  readonly #complain: (text: string) => void
  readonly #places = new WeakMap<Request, Place>()
  readonly #running = new Set<number>()
  readonly #last = new Map<number, number>()
  #arrived = 0
  #inside = 0

  constructor(complain: (text: string) => void) {
    this.#complain = complain
  }

  /** The key of a request, given as they come */
  keyOf(request: Request): number {
    const turn = this.#arrived++
    const key = turn % keys
    this.#places.set(request, { key, turn })
    return key
  }

  /** The same handler, watched */
  over(handler: (request: Request) => Promise<void>, bound: number): (request: Request) => Promise<void> {
    return async (request) => {
      const place = this.#places.get(request)
      if (++this.#inside > bound)
        this.#complain(`${this.#inside} requests were served at a time, and ${bound} is the bound`)
      if (place !== undefined) this.#enter(place)
      try {
        await handler(request)
      } finally {
        this.#inside--
        if (place !== undefined) this.#running.delete(place.key)
      }
    }
  }

  #enter({ key, turn }: Place): void {
    if (this.#running.has(key)) this.#complain('Two requests of one key were served at a time')
    if (turn < (this.#last.get(key) ?? -1)) this.#complain('A request was served after one of its key that came later')
    this.#running.add(key)
    this.#last.set(key, turn)
  }
}
