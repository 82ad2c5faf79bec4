import { benchmark as connect } from './connect.bench.ts'
import { benchmark as datagrams } from './datagrams.bench.ts'
import { benchmark as echo } from './echo.bench.ts'
import { benchmark as flood } from './flood.bench.ts'
import { benchmark as fullQueue } from './full-queue.bench.ts'
import { type Benchmark, isFigureRow, type Row } from './harness/benchmark.ts'
import { measure } from './harness/measure.ts'
import { type Options, readOptions, usage } from './harness/options.ts'
import { Progress } from './harness/progress.ts'
import { formatReport } from './harness/report.ts'
import { writeResults } from './harness/results.ts'
import { stopAllAtExit } from './harness/tracked-process.ts'
import { benchmark as lines } from './lines.bench.ts'

const benchmarks = [echo, lines, connect, datagrams, flood, fullQueue]

function choose(names: string[]): Benchmark[] {
  if (names.length === 0) return benchmarks
  return names.map((name) => {
    const found = benchmarks.find((benchmark) => benchmark.name === name)
    if (found === undefined) throw new RangeError(`Cannot run ${name}: the benchmarks are ${listNames()}`)
    return found
  })
}

function listNames(): string {
  return benchmarks.map(({ name }) => name).join(', ')
}

// Goals are for the rows that are kept: an instant, or a rival against itself, reaches or misses nothing.
function rehearsal({ rows, ...benchmark }: Benchmark, { noise }: Options): Benchmark {
  return {
    ...benchmark,
    rows: rows.map((row) => (noise ? { ...withoutGoals(row), ours: row.rival } : withoutGoals(row)))
  }
}

function withoutGoals(row: Row): Row {
  if (isFigureRow(row)) return { ...row, figures: row.figures.map(({ atMost: _, ...figure }) => figure) }
  const { goal: _, ...rest } = row
  return rest
}

async function runOne(benchmark: Benchmark, options: Options): Promise<void> {
  const { pairs, timing, smoke, noise } = options
  const kept = !smoke && !noise
  const chosen = kept ? benchmark : rehearsal(benchmark, options)
  const results = await measure(chosen, { pairs, timing }, new Progress())
  process.stdout.write(formatReport(chosen, results, { warn: !smoke }))
  if (kept) process.stdout.write(`Written to ${await writeResults(benchmark, { pairs, timing }, results)}\n\n`)
}

async function main(): Promise<void> {
  let options: Options
  let chosen: Benchmark[]
  try {
    options = readOptions(process.argv.slice(2))
    chosen = choose(options.names)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    process.exitCode = 2
    return
  }
  if (options.help) {
    process.stdout.write(`${usage}\nThe benchmarks: ${listNames()}\n`)
    return
  }
  stopAllAtExit()
  for (const benchmark of chosen) {
    try {
      await runOne(benchmark, options)
    } catch (error) {
      process.stderr.write(`${benchmark.name}: ${error instanceof Error ? error.message : String(error)}\n`)
      process.exitCode = 1
    }
  }
}

await main()
