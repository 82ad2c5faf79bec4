// The longest that a timer of Node's takes.
const rarely = 2 ** 31 - 1

/** Holds the process for a listener of which Node knows no socket. */
export class ProcessHold {
  #timer: NodeJS.Timeout | undefined
  #wanted = true
  #over = false

  /** From now on, where it was not said otherwise. */
  begin(): void {
    if (this.#over || this.#timer !== undefined) return
    this.#timer = setInterval(() => {}, rarely)
    if (!this.#wanted) this.#timer.unref()
  }

  ref(): void {
    this.#wanted = true
    this.#timer?.ref()
  }

  unref(): void {
    this.#wanted = false
    this.#timer?.unref()
  }

  /** Not any more. */
  end(): void {
    this.#over = true
    clearInterval(this.#timer)
  }
}
