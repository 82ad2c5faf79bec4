import { type Benchmark, isFigureRow, type Row } from './benchmark.ts'
import { missingDescriptors } from './descriptors.ts'
import { summarizeFigures } from './figures.ts'
import type { Pair } from './pairs.ts'
import type { Progress } from './progress.ts'
import type { RowResult } from './results.ts'
import { summarizeWork } from './summary.ts'

/** Makes the pairs of a row, and tells what it is about meanwhile */
export type RunRow = (row: Row, tell: (step: string) => void) => Promise<Pair[]>

/** Measures every row of a benchmark that this machine can run */
export async function measure(benchmark: Benchmark, run: RunRow, progress: Progress): Promise<RowResult[]> {
  const results: RowResult[] = []
  for (const row of benchmark.rows) results.push(await measureRow(benchmark.name, row, run, progress))
  return results
}

async function measureRow(name: string, row: Row, run: RunRow, progress: Progress): Promise<RowResult> {
  const missing = row.ours.missing ?? row.rival.missing ?? missingDescriptors(row.load)
  if (missing !== undefined) return { row, skipped: missing }
  progress.start(`${name}: ${row.work}, against ${row.rival.name}`)
  try {
    const pairs = await run(row, (step) => {
      progress.step(step)
    })
    return isFigureRow(row)
      ? { row, pairs, figures: summarizeFigures(row, pairs) }
      : { row, pairs, summary: summarizeWork(row, pairs) }
  } finally {
    progress.stop()
  }
}
