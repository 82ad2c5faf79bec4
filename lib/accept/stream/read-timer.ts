/** What a {@link ReadTimer} looks at. */
export interface ReadTimerHost {
  /** Whether a read waits for a byte. */
  readonly reading: boolean
  /** It has waited for so many milliseconds. */
  silent(timeout: number): void
}

/**
 * How long a read may wait for a byte. Not the socket's own timer, which every write puts off: a peer may be silent while
 * it is written to. One timer a connection, not one a read: it looks how long the last byte is ago.
 */
export class ReadTimer {
  readonly #host: ReadTimerHost
  #last = 0
  #timeout = 0
  #timer: NodeJS.Timeout | undefined

  /** @param host - whose reads they are */
  constructor(host: ReadTimerHost) {
    this.#host = host
  }

  /** A read waits from now on, for so many milliseconds. */
  begin(timeout: number): void {
    this.#last = performance.now()
    this.#timeout = timeout
    if (this.#timer === undefined) this.#watch(timeout)
  }

  /** A byte has come. */
  byteCame(): void {
    if (this.#timer !== undefined) this.#last = performance.now()
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  #watch(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (!this.#host.reading) return
      const left = this.#last + this.#timeout - performance.now()
      if (left > 0) this.#watch(Math.ceil(left))
      else this.#host.silent(this.#timeout)
    }, milliseconds)
  }
}
