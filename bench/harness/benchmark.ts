import type { ConnectOptions } from './load-connect.ts'
import type { DatagramOptions } from './load-datagrams.ts'
import type { EchoOptions } from './load-echo.ts'
import type { FairnessOptions } from './load-fairness.ts'
import type { FloodOptions } from './load-flood.ts'
import type { FullQueueOptions } from './load-full-queue.ts'
import type { IdleOptions } from './load-idle.ts'
import type { OwnWorkOptions } from './load-own-work.ts'
import type { Side } from './side.ts'

export interface Benchmark {
  name: string
  question: string
  rows: Row[]
}

/** One thing that ours and one rival are asked to do */
export type Row = WorkRow | FigureRow

interface CommonRow {
  work: string
  ours: Side
  rival: Side
  load: Load
  /** Multiplies the measured time: 1 where it is left out */
  time?: number
  /**
   * Cuts the measured time into so many times more pairs. For work whose cost depends on where a process's memory
   * happens to lie, more processes say more than longer ones.
   */
  morePairs?: number
  /** Where it stands in the series that its benchmark is: x in the plot of how costs grow */
  at?: number
  /** What a rehearsal loads the servers with, where the load itself takes its time to begin */
  smokeLoad?: Load
}

/** Work that is done as fast as it can be, and judged by what a unit of it costs */
export interface WorkRow extends CommonRow {
  unit: string
  goal?: Goal
}

/** A situation that its servers are put into, and judged by what is noted meanwhile (see notes.ts) */
export interface FigureRow extends CommonRow {
  /** The servers where it is left out: of themselves */
  notedBy?: 'load'
  figures: Figure[]
}

export type Load =
  | { generator: 'load-echo'; options: EchoOptions }
  | { generator: 'load-connect'; options: ConnectOptions }
  | { generator: 'load-datagrams'; options: DatagramOptions }
  | { generator: 'load-flood'; options: FloodOptions }
  | { generator: 'load-full-queue'; options: FullQueueOptions }
  | { generator: 'load-own-work'; options: OwnWorkOptions }
  | { generator: 'load-idle'; options: IdleOptions }
  | { generator: 'load-fairness'; options: FairnessOptions }

/**
 * What the median has to reach: of the ratios ours / rival, or, of `extra`, of the microseconds of processor time that
 * ours uses more for each unit
 */
export type Goal =
  | { measure: 'cpu'; atMost: number }
  | { measure: 'extra'; atMost: number }
  | { measure: 'throughput'; atLeast: number }

/** A quantile of the numbers that were noted under a name, over all the turns of a run */
export interface Figure {
  name: string
  noted: string
  /** From 0, the least, to 1, the greatest */
  quantile: number
  unit: string
  /** What the median of ours has to reach, whatever the rival's */
  atMost?: number
  /** What the median of the ratios ours / rival has to reach */
  ratioAtMost?: number
}

export function isFigureRow(row: Row): row is FigureRow {
  return 'figures' in row
}
