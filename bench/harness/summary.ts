import type { Goal, WorkRow } from './benchmark.ts'
import { disturbance, type Pair } from './pairs.ts'
import type { Run } from './run.ts'
import { type Spread, spreadOf } from './spread.ts'

interface Medians {
  cpuPerUnit: number
  unitsPerSecond: number
  megabytesPerSecond: number
  busy: Run['busy']
}

/** What the pairs of a row of work say */
export interface Summary {
  ours: Medians
  rival: Medians
  /** Ours / rival, taken pair by pair */
  ratio: { cpu: Spread; throughput: Spread }
  /** Microseconds that a unit costs ours more, taken pair by pair; where that is the goal */
  extra?: Spread
  reached: boolean | undefined
  warnings: string[]
}

// A server with time to spare wakes up for fewer replies at once, which costs more per reply: such a rival looks worse
// than it is.
const enoughBusy = 0.9

export function summarizeWork(row: WorkRow, pairs: Pair[]): Summary {
  const ratio = {
    cpu: spreadOf(pairs.map(({ ours, rival }) => ours.cpuPerUnit / rival.cpuPerUnit)),
    throughput: spreadOf(pairs.map(({ ours, rival }) => ours.unitsPerSecond / rival.unitsPerSecond))
  }
  const ours = mediansOf(
    row,
    pairs.map((pair) => pair.ours)
  )
  const rival = mediansOf(
    row,
    pairs.map((pair) => pair.rival)
  )
  const { goal } = row
  const extra = spreadOf(pairs.map((pair) => pair.ours.cpuPerUnit - pair.rival.cpuPerUnit))
  return {
    ours,
    rival,
    ratio,
    ...(goal?.measure === 'extra' ? { extra } : {}),
    reached: goal === undefined ? undefined : isReached(goal, ratio, extra),
    warnings: warningsOf(row, ours, rival)
  }
}

function mediansOf(row: WorkRow, runs: Run[]): Medians {
  const median = (value: (run: Run) => number): number => spreadOf(runs.map(value)).median
  const unitsPerSecond = median((run) => run.unitsPerSecond)
  return {
    cpuPerUnit: median((run) => run.cpuPerUnit),
    unitsPerSecond,
    megabytesPerSecond: (unitsPerSecond * bytesPerUnit(row)) / 1e6,
    busy: {
      server: median((run) => run.busy.server),
      load: median((run) => run.busy.load),
      others: median((run) => run.busy.others)
    }
  }
}

function bytesPerUnit({ load }: WorkRow): number {
  switch (load.generator) {
    case 'load-echo':
      return load.options.block / load.options.lines
    case 'load-connect':
      return load.options.line.length
    case 'load-datagrams':
    case 'load-full-queue':
      return load.options.size
    case 'load-flood':
    case 'load-own-work':
    case 'load-idle':
    case 'load-fairness':
      return 0
  }
}

function isReached(goal: Goal, ratio: Summary['ratio'], extra: Spread): boolean {
  switch (goal.measure) {
    case 'cpu':
      return ratio.cpu.median <= goal.atMost
    case 'extra':
      return extra.median <= goal.atMost
    case 'throughput':
      return ratio.throughput.median >= goal.atLeast
  }
}

function warningsOf(row: WorkRow, ours: Medians, rival: Medians): string[] {
  return [
    ...saturationWarnings(row.ours.name, ours.busy),
    ...saturationWarnings(row.rival.name, rival.busy),
    ...disturbanceWarnings(ours.busy.others, rival.busy.others)
  ]
}

function saturationWarnings(name: string, { server, load, others }: Run['busy']): string[] {
  if (server >= enoughBusy) return []
  const shares = `${percent(server)} of a core busy (load generator: ${percent(load)}, others: ${percent(others)})`
  // What more it could do nobody has asked it to.
  const bound = load >= enoughBusy ? ', and its throughput is that of the load generator' : ''
  return [`${name} kept only ${shares}: not saturated, its cost per unit is too high${bound}`]
}

/** What is to be said where other processes had a large part of the machine */
export function disturbanceWarnings(...shares: number[]): string[] {
  const others = Math.max(...shares)
  return others > disturbance ? [`other processes used ${percent(others)} of a core meanwhile`] : []
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
