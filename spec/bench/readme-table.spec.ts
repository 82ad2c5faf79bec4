import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { benchmarks } from '../../bench/benchmarks.ts'
import type { KeptResults, KeptRow } from '../../bench/harness/kept-results.ts'
import { blockBegins, blockEnds, formatBlock, replaceBlock } from '../../bench/harness/readme-block.ts'
import { formatResults } from '../../bench/harness/readme-table.ts'
import { type Spread, spreadOf } from '../../bench/harness/spread.ts'
import type { Summary } from '../../bench/harness/summary.ts'

const load = { generator: 'load-own-work', options: {} }

function around(middle: number): Spread {
  return spreadOf([middle - 0.2, middle - 0.1, middle, middle + 0.1, middle + 0.2])
}

function summaryOf(cpu: number, throughput: number, more: Partial<Summary> = {}): Summary {
  const side = { cpuPerUnit: 1, unitsPerSecond: 1, megabytesPerSecond: 1, busy: { server: 1, load: 1, others: 0 } }
  const ratio = { cpu: around(cpu), throughput: around(throughput) }
  return { ours: side, rival: side, ratio, reached: undefined, warnings: [], ...more }
}

function resultsOf(name: string, rows: Array<Pick<KeptRow, 'work' | 'rival'> & Partial<KeptRow>>): KeptResults {
  return {
    name,
    question: '?',
    date: '2026-01-01T00:00:00.000Z',
    machine: { node: '20.20.2', system: 'Linux 6.18.44', architecture: 'x64', processor: 'AMD EPYC', cores: 2 },
    plan: { pairs: 5, timing: { warmup: 1, measured: 2, turn: 0.25 } },
    rows: rows.map((row) => ({ ours: 'it-socketserver', load, ...row }))
  }
}

function linesOf(...results: KeptResults[]): string[] {
  return formatResults(results).split('\n')
}

describe('the table of the results', () => {
  it('has a line for each row: what, against whom, both ratios, the goal, the command', () => {
    const summary = summaryOf(0.7, 1.3, { reached: true })
    const goal = { measure: 'cpu', atMost: 0.75 } as const
    const rows = [
      { work: 'echo', rival: 'node:net', runtime: 'Node 20.20.2', goal, summary },
      { work: 'echo', rival: 'Bun.listen', runtime: 'Bun 1.4.5', summary: summaryOf(1.2, 0.9) }
    ]
    expect(linesOf(resultsOf('echo', rows))).toEqual([
      '**Node 20.20.2**, Linux, x64, AMD EPYC, 2 cores:',
      '',
      '| work | rival | CPU, ours : rival | per second, ours : rival | to reach | reached | run it |',
      '| --- | --- | --- | --- | --- | --- | --- |',
      '| echo | `node:net` | 0.70 (0.60–0.80) | 1.30 (1.20–1.40) | CPU ≤ 0.75 | yes | `npm run bench -- echo` |',
      '|  | `Bun.listen`, Bun 1.4.5 | 1.20 (1.10–1.30) | 0.90 (0.80–1.00) |  |  |  |'
    ])
  })

  it('tells what a unit costs more where that is the goal', () => {
    const summary = summaryOf(3, 0.3, { extra: around(0.05), reached: false })
    const row = { work: 'parallel', rival: 'for await', goal: { measure: 'extra', atMost: 0.01 } as const, summary }
    expect(linesOf(resultsOf('stage', [row]))[4]).toContain('| +0.05 (−0.05 to +0.15) µs | 0.30')
    expect(linesOf(resultsOf('stage', [row]))[4]).toContain('| ≤ 0.01 µs more | no |')
  })

  it('marks what was not measured in peace, and says so', () => {
    const warned = { work: 'echo', rival: 'Bun.listen', summary: summaryOf(1, 1, { warnings: ['not saturated'] }) }
    const lines = linesOf(resultsOf('echo', [warned]))
    expect(lines[4]).toContain('1.00 (0.90–1.10) †')
    expect(lines.at(-1)).toMatch(/^† /)
    const quiet = { ...warned, summary: summaryOf(1, 1) }
    expect(formatResults([resultsOf('echo', [quiet])])).not.toContain('†')
  })

  it('leaves out what was skipped, and figures without a goal', () => {
    const rows = [
      { work: 'echo', rival: 'Bun.listen', skipped: 'Bun is not installed' },
      {
        work: 'flood',
        rival: 'node:dgram',
        figures: {
          found: [
            { name: 'p99', unit: 'ms', ours: around(2), rival: around(4), reached: undefined },
            { name: 'CPU', unit: '%', atMost: 3, ours: around(2), rival: around(4), reached: true }
          ],
          warnings: []
        }
      }
    ]
    expect(linesOf(resultsOf('flood', rows)).slice(2)).toEqual([
      '| work | rival | figure | ours | rival’s | to reach | reached | run it |',
      '| --- | --- | --- | --- | --- | --- | --- | --- |',
      '| flood | `node:dgram` | CPU, % | 2.00 (1.90–2.10) | 4.00 (3.90–4.10) | ≤ 3 % | yes | `npm run bench -- flood` |'
    ])
  })
})

describe('the table in the README', () => {
  it('is put between its marks', () => {
    const text = `before\n${blockBegins}\nold\n${blockEnds}\nafter`
    expect(replaceBlock(text, 'new')).toBe(`before\n${blockBegins}\n\nnew\n\n${blockEnds}\nafter`)
    expect(() => replaceBlock('no marks', 'new')).toThrow('Cannot place the table')
  })

  it('is that of the results (npm run bench:readme writes it)', async ({ skip }) => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    if (!readme.includes(blockBegins)) skip('the README has no such table')
    expect(readme).toBe(replaceBlock(readme, await formatBlock(benchmarks.map(({ name }) => name))))
  })
})
