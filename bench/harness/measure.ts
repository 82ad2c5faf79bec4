import { type Benchmark, isFigureRow, type Row } from './benchmark.ts'
import { summarizeFigures } from './figures.ts'
import { type Plan, runPairs } from './pairs.ts'
import type { Progress } from './progress.ts'
import type { RowResult } from './results.ts'
import { summarizeWork } from './summary.ts'

/** Measures every row of a benchmark that this machine can run */
export async function measure(benchmark: Benchmark, plan: Plan, progress: Progress): Promise<RowResult[]> {
  const results: RowResult[] = []
  for (const row of benchmark.rows) results.push(await measureRow(benchmark.name, row, plan, progress))
  return results
}

async function measureRow(name: string, row: Row, plan: Plan, progress: Progress): Promise<RowResult> {
  const missing = row.ours.missing ?? row.rival.missing
  if (missing !== undefined) return { row, skipped: missing }
  progress.start(`${name}: ${row.work}, against ${row.rival.name}`)
  try {
    const pairs = await runPairs(row, plan, (step) => {
      progress.step(step)
    })
    return isFigureRow(row)
      ? { row, pairs, figures: summarizeFigures(row, pairs) }
      : { row, pairs, summary: summarizeWork(row, pairs) }
  } finally {
    progress.stop()
  }
}
