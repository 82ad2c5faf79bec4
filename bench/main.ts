import { fileURLToPath } from 'node:url'
import { benchmarks } from './benchmarks.ts'
import { drawKept } from './drawing/draw-plots.ts'
import { type Benchmark, isFigureRow, type Row } from './harness/benchmark.ts'
import { choose, listNames } from './harness/choose.ts'
import { measure, type RunRow } from './harness/measure.ts'
import { type Options, readOptions, usage } from './harness/options.ts'
import { nodeBinary, runOnNode } from './harness/other-node.ts'
import { runPairs } from './harness/pairs.ts'
import { Progress } from './harness/progress.ts'
import { Rehearsal } from './harness/rehearsal.ts'
import { formatReport } from './harness/report.ts'
import { writeResults } from './harness/results.ts'
import { stopAllAtExit } from './harness/tracked-process.ts'

// Goals are for the rows that are kept: an instant, or a rival against itself, reaches or misses nothing.
function unkept({ rows, ...benchmark }: Benchmark, { noise, smoke }: Options): Benchmark {
  const chosen = smoke ? withoutBeginning(rows).map((row) => ({ ...row, load: row.smokeLoad ?? row.load })) : rows
  return {
    ...benchmark,
    rows: chosen.map((row) => (noise ? { ...withoutGoals(row), ours: row.rival } : withoutGoals(row)))
  }
}

// What works at the end of a series works before it.
function withoutBeginning(rows: Row[]): Row[] {
  const last = rows.findLast(({ at }) => at !== undefined)
  return rows.filter((row) => row.at === undefined || row === last)
}

function withoutGoals(row: Row): Row {
  if (isFigureRow(row))
    return { ...row, figures: row.figures.map(({ atMost: _, ratioAtMost: __, ...figure }) => figure) }
  const { goal: _, ...rest } = row
  return rest
}

function runnerOf({ smoke, pairs, timing }: Options): RunRow {
  if (!smoke) return (row, tell) => runPairs(row, { pairs, timing }, tell)
  const rehearsal = new Rehearsal(timing.measured)
  return async (row) => [await rehearsal.pairOf(row)]
}

async function runOne(benchmark: Benchmark, run: RunRow, options: Options): Promise<void> {
  const { pairs, timing, smoke, noise } = options
  const kept = !smoke && !noise
  const chosen = kept ? benchmark : unkept(benchmark, options)
  const results = await measure(chosen, run, new Progress())
  process.stdout.write(formatReport(chosen, results, { warn: !smoke }))
  if (!kept) return
  const whole = benchmarks.find(({ name }) => name === benchmark.name) ?? benchmark
  process.stdout.write(`${await writeResults(whole, { pairs, timing }, results)}\n\n`)
}

async function runAll(chosen: Benchmark[], options: Options): Promise<void> {
  stopAllAtExit()
  if (options.smoke) process.stdout.write('A rehearsal, cold and in a hurry: its numbers say nothing.\n\n')
  const run = runnerOf(options)
  for (const benchmark of chosen) {
    try {
      await runOne(benchmark, run, options)
    } catch (error) {
      process.stderr.write(`${benchmark.name}: ${error instanceof Error ? error.message : String(error)}\n`)
      process.exitCode = 1
    }
  }
  if (!options.smoke && !options.noise) process.stdout.write(await drawKept())
}

async function main(args: string[]): Promise<void> {
  let options: Options
  let chosen: Benchmark[]
  let binary: string | undefined
  try {
    options = readOptions(args)
    chosen = choose(benchmarks, options)
    if (options.node !== 'this') binary = nodeBinary(options.node)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    process.exitCode = 2
    return
  }
  if (options.help) process.stdout.write(`${usage}\nThe benchmarks: ${listNames(benchmarks)}\n`)
  else if (binary === undefined) await runAll(chosen, options)
  else process.exitCode = await runOnNode(binary, fileURLToPath(import.meta.url), [...args, '--node', 'this'])
}

await main(process.argv.slice(2))
