import type { Address } from './address.ts'

/** How a server is closed. */
export interface CloseOptions {
  /**
   * Milliseconds that running requests have to finish; then they are cut off. 15 seconds by default; `Infinity` waits
   * for as long as it takes. Of several calls of `close()` the earliest deadline counts.
   */
  readonly deadline?: number
}

/** What became of the requests that a closing server still had. */
export interface Report {
  /** Requests that ended by themselves after the close began. */
  readonly finished: number
  /** Requests that were cut off at the deadline. */
  readonly aborted: number
  /** Requests that had come in and that nobody took. */
  readonly refused: number
  /** Those that were cut off, one by one. */
  readonly stillOpen: readonly StillOpen[]
}

/** A request that was still open when the deadline came. */
export interface StillOpen {
  /** Where it came from. */
  readonly clientAddress: Address | undefined
  /** Milliseconds since it was handed out. */
  readonly age: number
  /** Bytes that had come in. */
  readonly bytesIn: number
  /** Bytes that had been handed over to leave. */
  readonly bytesOut: number
}
