import type { Benchmark } from './benchmark.ts'
import type { Options } from './options.ts'

/** The benchmarks that were asked for, with those of their rows that were */
export function choose(benchmarks: Benchmark[], { names, rivals }: Options): Benchmark[] {
  for (const name of names) {
    if (!benchmarks.some((benchmark) => benchmark.name === name)) {
      throw new RangeError(`Cannot run ${name}: the benchmarks are ${listNames(benchmarks)}`)
    }
  }
  const named = names.length === 0 ? benchmarks : benchmarks.filter(({ name }) => names.includes(name))
  if (rivals.length === 0) return named
  const chosen = named.map((benchmark) => ({ ...benchmark, rows: benchmark.rows.filter(isAgainst(rivals)) }))
  for (const rival of rivals) {
    if (!chosen.some(({ rows }) => rows.some(isAgainst([rival])))) throw new RangeError(`Cannot find a rival ${rival}`)
  }
  return chosen.filter(({ rows }) => rows.length > 0)
}

export function listNames(benchmarks: Benchmark[]): string {
  return benchmarks.map(({ name }) => name).join(', ')
}

function isAgainst(rivals: string[]): (row: Benchmark['rows'][number]) => boolean {
  return ({ rival }) => {
    const text = `${rival.name} ${rival.runtime}`.toLowerCase()
    return rivals.some((part) => text.includes(part.toLowerCase()))
  }
}
