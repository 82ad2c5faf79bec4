import type { Settlement } from '../../outcome.ts'

/** Where a request keeps its place among its server's guests: a table of its own would keep the dead of a flood alive. */
export const seat = Symbol('seat')

/** A place among the guests of a server. */
export interface Seat {
  /** Whose guest it is here. */
  readonly host: object
  /** Its place among the guests of another server, from which this one took it. */
  readonly other: Seat | undefined
  /** Where it is in the list; -1 once it is left. */
  at: number
  /** When it was taken, in milliseconds of `performance.now()`. */
  readonly since: number
  /** Bytes that had come in when it was looked at last. */
  bytes: number
  /** When it was last seen that it did not wait for its peer, or that bytes had come. */
  quietSince: number
  /** How the request ended whose handler is at work still. */
  gone: Settlement | undefined
}
