import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Benchmark, type FigureRow, isFigureRow, type Row, type WorkRow } from './benchmark.ts'
import type { FigureSummary } from './figures.ts'
import { type KeptResults, type KeptRow, readResults, resultsFolder } from './kept-results.ts'
import { describeMachine } from './machine.ts'
import type { Pair, Plan } from './pairs.ts'
import { root } from './repository.ts'
import type { Summary } from './summary.ts'

export type RowResult =
  | { row: WorkRow; pairs: Pair[]; summary: Summary }
  | { row: FigureRow; pairs: Pair[]; figures: FigureSummary }
  | { row: Row; skipped: string }

/**
 * Writes what a benchmark found, every single run included, and says where. Rows that were not measured this time stay
 * as they are, unless they are of another machine or another Node.
 */
export async function writeResults(benchmark: Benchmark, plan: Plan, results: RowResult[]): Promise<string> {
  const folder = resultsFolder(process.versions.node.split('.', 1)[0] as string)
  const date = new Date().toISOString()
  const machine = describeMachine()
  const before = await readResults(folder, benchmark.name)
  const comparable = before !== undefined && isDeepStrictEqual(before.machine, machine)
  const old = comparable ? before.rows.map((row) => ({ date: before.date, ...row })) : []
  const rows = mergeRows(
    benchmark.rows,
    results.map((result) => ({ ...describeResult(result), date })),
    old
  )
  const content: KeptResults = { name: benchmark.name, question: benchmark.question, date, machine, plan, rows }
  await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, folder, `${benchmark.name}.json`), `${JSON.stringify(content, rounded, 2)}\n`)
  const others = before !== undefined && !comparable ? '; those of before were of another machine or Node' : ''
  return `Written to ${folder}/${benchmark.name}.json${others}`
}

function describeResult({ row, ...found }: RowResult): KeptRow {
  return {
    work: row.work,
    ...(isFigureRow(row) ? {} : { unit: row.unit }),
    ours: row.ours.name,
    rival: row.rival.name,
    runtime: row.rival.runtime,
    load: row.load,
    ...(row.at === undefined ? {} : { at: row.at }),
    ...(isFigureRow(row) ? {} : { goal: row.goal }),
    ...found
  }
}

/** For each row of a benchmark what was found now, or else before; one that was only skipped takes nothing's place */
export function mergeRows(rows: ReadonlyArray<Identity<Row>>, found: KeptRow[], before: KeptRow[]): KeptRow[] {
  return rows.flatMap((row) => {
    const identity = identityOf({ work: row.work, rival: row.rival.name, load: row.load })
    const isSame = (kept: KeptRow): boolean => identityOf(kept) === identity
    const now = found.find(isSame)
    const then = before.find(isSame)
    const chosen = now === undefined || (now.skipped !== undefined && then !== undefined) ? then : now
    return chosen === undefined ? [] : [chosen]
  })
}

type Identity<R extends Row> = Pick<R, 'work' | 'load'> & { rival: { name: string } }

function identityOf({ work, rival, load }: Pick<KeptRow, 'work' | 'rival' | 'load'>): string {
  return JSON.stringify([work, rival, load])
}

// Digits that nobody measured only make differences between two results harder to read.
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
}
