import type { Benchmark } from './benchmark.ts'
import { formatFigures } from './figures-table.ts'
import type { RowResult } from './results.ts'
import { formatTable } from './table.ts'

/** The text that a benchmark ends with */
export function formatReport(benchmark: Benchmark, results: RowResult[], { warn }: { warn: boolean }): string {
  const work = results.flatMap((result) => ('summary' in result ? [result] : []))
  const figures = results.flatMap((result) => ('figures' in result ? [result] : []))
  const lines = [`${benchmark.name}: ${benchmark.question}`]
  if (work.length > 0) lines.push('', formatTable(work))
  if (figures.length > 0) lines.push('', formatFigures(figures))
  for (const result of results) {
    const { work: name, rival } = result.row
    for (const note of notesOn(result, warn)) lines.push(`  ${name}, ${rival.name}: ${note}`)
  }
  return `${lines.join('\n')}\n\n`
}

function notesOn(result: RowResult, warn: boolean): string[] {
  if ('skipped' in result) return [`skipped: ${result.skipped}`]
  const { warnings } = 'summary' in result ? result.summary : result.figures
  return warn ? warnings.map((text) => `! ${text}`) : []
}
