import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Benchmark, type FigureRow, isFigureRow, type Row, type WorkRow } from './benchmark.ts'
import type { FigureSummary } from './figures.ts'
import { describeMachine } from './machine.ts'
import type { Pair, Plan } from './pairs.ts'
import { benchFolder } from './repository.ts'
import type { Summary } from './summary.ts'

export type RowResult =
  | { row: WorkRow; pairs: Pair[]; summary: Summary }
  | { row: FigureRow; pairs: Pair[]; figures: FigureSummary }
  | { row: Row; skipped: string }

/** Writes what a benchmark found, every single run included; answers with the file's name in the repository */
export async function writeResults(benchmark: Benchmark, plan: Plan, results: RowResult[]): Promise<string> {
  const folder = join(benchFolder, 'results')
  await mkdir(folder, { recursive: true })
  const content = {
    name: benchmark.name,
    question: benchmark.question,
    date: new Date().toISOString(),
    machine: describeMachine(),
    plan,
    rows: results.map(({ row, ...found }) => ({
      work: row.work,
      ...(isFigureRow(row) ? {} : { unit: row.unit }),
      ours: row.ours.name,
      rival: row.rival.name,
      load: row.load,
      ...(isFigureRow(row) ? {} : { goal: row.goal }),
      ...found
    }))
  }
  await writeFile(join(folder, `${benchmark.name}.json`), `${JSON.stringify(content, rounded, 2)}\n`)
  return `bench/results/${benchmark.name}.json`
}

// Digits that nobody measured only make differences between two results harder to read.
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
}
