import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Benchmark, Row } from './benchmark.ts'
import { describeMachine } from './machine.ts'
import type { Pair, Plan } from './pairs.ts'
import { benchFolder } from './repository.ts'
import type { Summary } from './summary.ts'

export type RowResult = { row: Row; pairs: Pair[]; summary: Summary } | { row: Row; skipped: string }

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
      unit: row.unit,
      ours: row.ours.name,
      rival: row.rival.name,
      load: row.load,
      goal: row.goal,
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
