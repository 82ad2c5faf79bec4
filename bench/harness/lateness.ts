const period = 10

/** By how many milliseconds a timer of 10 ms, set again each time, comes too late */
export class Lateness {
  #noted: number[] = []
  #due = 0

  constructor() {
    this.#set()
  }

  /** What was noted since the last time this was asked */
  take(): number[] {
    const noted = this.#noted
    this.#noted = []
    return noted
  }

  #set(): void {
    this.#due = performance.now() + period
    setTimeout(() => {
      this.#noted.push(Math.max(0, performance.now() - this.#due))
      this.#set()
    }, period)
  }
}
