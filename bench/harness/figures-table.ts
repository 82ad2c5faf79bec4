import type { FigureRow } from './benchmark.ts'
import { alignColumns } from './columns.ts'
import type { FigureFound, FigureSummary } from './figures.ts'
import { describeSpread, type Spread } from './spread.ts'

const heads = [
  'work',
  'rival',
  'figure',
  'ours (half within)',
  'rival (half within)',
  'ratio (half within)',
  'to reach',
  ''
]
const textColumns = new Set([0, 1, 2, 6, 7])

// From here on digits behind the point say nothing.
const large = 1_000

function cells(row: FigureRow, { found }: FigureSummary): string[][] {
  return found.map(({ name, unit, atMost, ratioAtMost, ours, rival, ratio, reached }, index) => [
    index === 0 ? row.work : '',
    index === 0 ? row.rival.name : '',
    `${name}, ${unit}`,
    describe(ours),
    describe(rival),
    ratio === undefined ? '–' : describeSpread(ratio),
    describeFigureGoal({ unit, atMost, ratioAtMost }),
    reached === undefined ? '' : reached ? 'reached' : 'missed'
  ])
}

/** What a figure has to reach */
export function describeFigureGoal({
  unit,
  atMost,
  ratioAtMost
}: Pick<FigureFound, 'unit' | 'atMost' | 'ratioAtMost'>): string {
  return [
    ...(atMost === undefined ? [] : [`≤ ${atMost} ${unit}`]),
    ...(ratioAtMost === undefined ? [] : [`ratio ≤ ${ratioAtMost}`])
  ].join(', ')
}

function describe(spread: Spread): string {
  if (spread.median < large) return describeSpread(spread)
  const { median, lower, upper } = spread
  return `${Math.round(median)} (${Math.round(lower)}–${Math.round(upper)})`
}

/** The table of the rows of figures: a line a figure */
export function formatFigures(measured: Array<{ row: FigureRow; figures: FigureSummary }>): string {
  return alignColumns([heads, ...measured.flatMap(({ row, figures }) => cells(row, figures))], textColumns)
}
