/** How long both sides of a pair work, in seconds */
export interface Timing {
  warmup: number
  measured: number
  /** One turn; the measured time is cut into them */
  turn: number
}

export const usualTiming: Timing = { warmup: 0.75, measured: 2, turn: 0.25 }
/** Long enough for a timer of 10 ms to be late a few times */
export const smokeTiming: Timing = { warmup: 0.1, measured: 0.1, turn: 0.1 }
