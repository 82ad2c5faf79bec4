import type { Goal } from './benchmark.ts'
import { describeFigureGoal } from './figures-table.ts'
import type { KeptResults, KeptRow } from './kept-results.ts'
import { describeSpread, type Spread } from './spread.ts'

type Cells = string[]

const workHeads = ['work', 'rival', 'CPU, ours : rival', 'per second, ours : rival', 'to reach', 'reached', 'run it']
const figureHeads = ['work', 'rival', 'figure', 'ours', 'rival’s', 'to reach', 'reached', 'run it']

const mark = ' †'
const markedMeans =
  '† A side was not kept busy, or the machine had other work: `warnings` in `bench/results/` says which and how much.'

/** What the results on one Node come to, as Markdown: a line for each row, and for each figure that has a goal */
export function formatResults(results: KeptResults[]): string {
  const [first] = results
  if (first === undefined) return ''
  const { node, system, architecture, processor, cores } = first.machine
  const work = tableOf(workHeads, results, workCells)
  const figures = tableOf(figureHeads, results, figureCells)
  const parts = [
    `**Node ${node}**, ${String(system).split(' ', 1)[0]}, ${architecture}, ${processor}, ${cores} cores:`,
    work,
    figures,
    work.includes(mark) || figures.includes(mark) ? markedMeans : ''
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

function tableOf(heads: Cells, results: KeptResults[], cellsOf: (row: KeptRow) => Cells[]): string {
  const lines = results.flatMap(({ name, rows }) => {
    const cells = rows.flatMap(cellsOf)
    return withoutRepeats(cells).map((line, index) => [...line, index === 0 ? `\`npm run bench -- ${name}\`` : ''])
  })
  if (lines.length === 0) return ''
  return [heads, heads.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n')
}

// What is the same as in the line above is said once.
function withoutRepeats(lines: Cells[]): Cells[] {
  return lines.map(([work = '', ...rest], index) => [work === lines[index - 1]?.[0] ? '' : work, ...rest])
}

function workCells(row: KeptRow): Cells[] {
  const { work, summary, goal } = row
  if (summary === undefined) return []
  const { ratio, extra, reached, warnings } = summary
  const cpu = extra === undefined ? describeSpread(ratio.cpu) : `${signed(extra)} µs`
  const marked = warnings.length > 0 ? mark : ''
  return [
    [work, rivalOf(row), cpu + marked, describeSpread(ratio.throughput) + marked, describeGoal(goal), answer(reached)]
  ]
}

function figureCells(row: KeptRow): Cells[] {
  const { work, figures } = row
  if (figures === undefined) return []
  const marked = figures.warnings.length > 0 ? mark : ''
  return figures.found
    .filter(({ reached }) => reached !== undefined)
    .map(({ name, unit, atMost, ratioAtMost, ours, rival, reached }) => [
      work,
      rivalOf(row),
      `${name}, ${unit}`,
      describeSpread(ours) + marked,
      describeSpread(rival) + marked,
      describeFigureGoal({ unit, atMost, ratioAtMost }),
      answer(reached)
    ])
}

function rivalOf({ rival, runtime }: KeptRow): string {
  // Which Node it is stands above the table.
  return runtime === undefined || runtime.startsWith('Node ') ? `\`${rival}\`` : `\`${rival}\`, ${runtime}`
}

function describeGoal(goal: Goal | undefined): string {
  switch (goal?.measure) {
    case undefined:
      return ''
    case 'cpu':
      return `CPU ≤ ${goal.atMost}`
    case 'extra':
      return `≤ ${goal.atMost} µs more`
    case 'throughput':
      return `per second ≥ ${goal.atLeast}`
  }
}

function answer(reached: boolean | undefined): string {
  return reached === undefined ? '' : reached ? 'yes' : 'no'
}

function signed({ median, lower, upper }: Spread): string {
  const [middle, low, high] = [median, lower, upper].map(
    (value) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`
  )
  return `${middle} (${low} to ${high})`
}
