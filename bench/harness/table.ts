import type { Goal, WorkRow } from './benchmark.ts'
import { alignColumns } from './columns.ts'
import { describeSpread } from './spread.ts'
import type { Summary } from './summary.ts'

const heads = [
  'work',
  'rival',
  'unit',
  'CPU: ours',
  'rival',
  'ratio (half within)',
  'per s: ours',
  'rival',
  'ratio (half within)',
  'busy: ours',
  'rival',
  'load',
  'to reach',
  ''
]
const textColumns = new Set([0, 1, 2, 12, 13])

// From this many megabytes a second on, bytes say more than units do.
const bulkRate = 100

function cells(row: WorkRow, { ours, rival, ratio, reached }: Summary): string[] {
  return [
    row.work,
    row.rival.name,
    row.unit,
    `${ours.cpuPerUnit.toFixed(2)} µs`,
    `${rival.cpuPerUnit.toFixed(2)} µs`,
    describeSpread(ratio.cpu),
    rate(ours),
    rate(rival),
    describeSpread(ratio.throughput),
    percent(ours.busy.server),
    percent(rival.busy.server),
    percent(rival.busy.load),
    row.goal === undefined ? '' : describeGoal(row.goal),
    reached === undefined ? '' : reached ? 'reached' : 'missed'
  ]
}

function rate({ unitsPerSecond, megabytesPerSecond }: Summary['ours']): string {
  return megabytesPerSecond >= bulkRate ? `${Math.round(megabytesPerSecond)} MB` : `${Math.round(unitsPerSecond)}`
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function describeGoal(goal: Goal): string {
  switch (goal.measure) {
    case 'cpu':
      return `CPU ≤ ${goal.atMost}`
    case 'extra':
      return `CPU ≤ ${goal.atMost} µs more`
    case 'throughput':
      return `per s ≥ ${goal.atLeast}`
  }
}

/** The table of the rows of work */
export function formatTable(measured: Array<{ row: WorkRow; summary: Summary }>): string {
  return alignColumns([heads, ...measured.map(({ row, summary }) => cells(row, summary))], textColumns)
}
