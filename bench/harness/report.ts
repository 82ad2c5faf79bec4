import type { Benchmark } from './benchmark.ts'
import type { RowResult } from './results.ts'
import { formatTable } from './table.ts'

/** The text that a benchmark ends with */
export function formatReport(benchmark: Benchmark, results: RowResult[], { warn }: { warn: boolean }): string {
  const measured = results.flatMap((result) => ('summary' in result ? [result] : []))
  const lines = [`${benchmark.name}: ${benchmark.question}`, '', formatTable(measured)]
  for (const result of results) {
    const { work, rival } = result.row
    const notes =
      'summary' in result
        ? warn
          ? result.summary.warnings.map((text) => `! ${text}`)
          : []
        : [`skipped: ${result.skipped}`]
    for (const note of notes) lines.push(`  ${work}, ${rival.name}: ${note}`)
  }
  return `${lines.join('\n')}\n\n`
}
