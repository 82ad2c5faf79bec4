/**
 * The shortest work that leaves so many requests under way at any time: each waits until the house is full, and then the
 * first of them may go.
 */
export class FullHouse {
  readonly #waiting: Array<(() => void) | undefined>
  #first = 0
  #inside = 0
  #open = false

  constructor(room: number) {
    this.#waiting = new Array<undefined>(room)
  }

  readonly enter = (): Promise<void> => {
    if (this.#open) return Promise.resolve()
    return new Promise((resolve) => {
      const room = this.#waiting.length
      this.#waiting[(this.#first + this.#inside) % room] = resolve
      this.#inside++
      if (this.#inside === room) this.#release()
    })
  }

  /** All may go, those as well who are still to come */
  readonly open = (): void => {
    this.#open = true
    while (this.#inside > 0) this.#release()
  }

  #release(): void {
    const resolve = this.#waiting[this.#first]
    this.#first = (this.#first + 1) % this.#waiting.length
    this.#inside--
    resolve?.()
  }
}
