import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { drawPlots } from '../../bench/drawing/draw-plots.ts'
import type { Kept, KeptResult, KeptRow } from '../../bench/drawing/kept-results.ts'
import { plots } from '../../bench/drawing/plots.ts'

const bench = fileURLToPath(new URL('../../bench/', import.meta.url))

function spread(median: number) {
  return { median, lower: median * 0.9, upper: median * 1.1, least: median * 0.8, most: median * 1.2 }
}

function result(name: string, rows: KeptRow[]): KeptResult {
  return { name, machine: { node: '20.0.0', processor: 'a processor', cores: 2 }, rows }
}

function workRow(work: string, cpu: number, at?: number): KeptRow {
  const run = { units: 1, seconds: 1, cpuPerUnit: cpu, unitsPerSecond: 1, busy: { server: 1, load: 1, others: 0 } }
  const medians = { cpuPerUnit: 1, unitsPerSecond: 1, megabytesPerSecond: 1, busy: run.busy }
  return {
    work,
    unit: 'message',
    ours: 'it-socketserver',
    rival: 'a rival',
    ...(at === undefined ? {} : { at }),
    pairs: [{ ours: run, rival: { ...run, cpuPerUnit: 2 * cpu } }],
    summary: {
      ours: medians,
      rival: medians,
      ratio: { cpu: spread(0.5), throughput: spread(2) },
      reached: undefined,
      warnings: []
    }
  }
}

function figureRow(work: string, name: string): KeptRow {
  const found = { name, unit: 'ms', ours: spread(3), rival: spread(6), ratio: spread(0.5), reached: undefined }
  return { work, ours: 'it-socketserver', rival: 'a rival', figures: { found: [found], warnings: [] } }
}

const point = { heap: 2 ** 24, resident: 2 ** 26, descriptors: 30, open: 12 }
const soak: KeptResult = {
  ...result('soak', []),
  soak: {
    ...{ minutes: 2, seed: 7, passed: true, faults: { suspend: 3 }, clients: { 'at once': 1_200 } },
    groups: ['tcp native', 'tls node'].map((name) => ({ name, points: [0, 60].map((at) => ({ at, ...point })) }))
  }
}
const series = [workRow('few', 1, 1), workRow('many', 3, 16)]
const everything: Kept = new Map(
  [
    soak,
    result('echo', [workRow('64 B', 1)]),
    ...['connections', 'sizes', 'limits', 'pipelining'].map((name) => result(name, series)),
    result('modes', [workRow('forked', 100), workRow('computing, threads', 5_000)]),
    result('idle', [figureRow('1,000 connections, parked', 'resident memory for each')]),
    result('fairness', [figureRow('line by line', 'answered after, p99')])
  ].map((kept) => [kept.name, kept])
)

function draw(name: string, kept: Kept): string | undefined {
  return plots.find((plot) => plot.name === name)?.draw(kept)
}

describe('the plots of the benchmarks', () => {
  it('show what is kept in bench/results: `npm run bench:plots` draws them again', async () => {
    const drawn = await drawPlots(join(bench, 'results'))
    expect(drawn.flatMap(({ pictures }) => [...pictures]).length).toBeGreaterThan(0)
    const expected = new Map(
      drawn.flatMap(({ folder, pictures }) => [...pictures].map(([file, text]) => [join(folder, file), text]))
    )
    const files = await readdir(join(bench, 'plots'), { recursive: true })
    expect(files.filter((file) => file.endsWith('.svg')).sort()).toEqual([...expected.keys()].sort())
    for (const [file, text] of expected) {
      expect((await readFile(join(bench, 'plots', file), 'utf8')) === text, `${file} is another picture`).toBe(true)
    }
  })

  it.each(plots.map(({ name }) => name))('draw %s the same whatever was drawn before', (name) => {
    const first = draw(name, everything)
    for (const plot of plots) plot.draw(everything)
    expect(first).toBeDefined()
    expect(draw(name, everything)).toBe(first)
  })

  it.each(plots.map(({ name }) => name))('leave %s out where there is nothing to show', (name) => {
    expect(draw(name, new Map())).toBeUndefined()
    const skipped: KeptRow = { work: 'some', ours: 'it-socketserver', rival: 'a rival', at: 1 }
    expect(draw(name, new Map([[name, result(name, [skipped, skipped])]]))).toBeUndefined()
  })

  it('say what is drawn, in words that are in the picture', () => {
    expect(draw('rivals', everything)).toContain('echo: 64 B')
    expect(draw('rivals', everything)).toContain('>0.50<')
    expect(draw('sizes', everything)).toContain('>16 B<')
    expect(draw('connections', everything)).toContain('× 0.50')
    expect(draw('fairness', everything)).toContain('milliseconds')
    expect(draw('modes', everything)).toContain('>forked<')
    expect(draw('modes', everything)).toContain('>200<')
    expect(draw('cores', everything)).toContain('>threads<')
    expect(draw('rivals', everything)).not.toContain('modes')
    expect(draw('idle', everything)).toContain('1,000 connections, parked')
    expect(draw('soak', everything)).toContain('1,200 clients and 3 faults in 2 minutes')
    expect(draw('soak', everything)).toContain('>tls node<')
  })
})
