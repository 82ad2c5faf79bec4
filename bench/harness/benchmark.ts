import type { ConnectOptions } from './load-connect.ts'
import type { DatagramOptions } from './load-datagrams.ts'
import type { EchoOptions } from './load-echo.ts'
import type { Side } from './side.ts'

export interface Benchmark {
  name: string
  question: string
  rows: Row[]
}

/** One piece of work, done by ours and by one rival */
export interface Row {
  work: string
  unit: string
  ours: Side
  rival: Side
  load: Load
  goal?: Goal
  /**
   * Cuts the measured time into so many times more pairs. For work whose cost depends on where a process's memory
   * happens to lie, more processes say more than longer ones.
   */
  morePairs?: number
}

export type Load =
  | { generator: 'load-echo'; options: EchoOptions }
  | { generator: 'load-connect'; options: ConnectOptions }
  | { generator: 'load-datagrams'; options: DatagramOptions }

/** What the median of the ratios ours / rival has to reach */
export type Goal = { measure: 'cpu'; atMost: number } | { measure: 'throughput'; atLeast: number }
