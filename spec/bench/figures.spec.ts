import { describe, expect, it } from 'vitest'
import type { Figure, FigureRow } from '../../bench/harness/benchmark.ts'
import { summarizeFigures } from '../../bench/harness/figures.ts'
import type { Pair } from '../../bench/harness/pairs.ts'

const side = { name: 'a side', command: 'true', args: [], runtime: 'none' }

function reached(figure: Partial<Figure>, ours: number, rival: number): boolean | undefined {
  const row: FigureRow = {
    work: 'some',
    ours: side,
    rival: side,
    load: { generator: 'load-idle', options: { connections: 1 } },
    figures: [{ name: 'a figure', noted: 'noted', quantile: 1, unit: 'ms', ...figure }]
  }
  const run = { units: 1, seconds: 1, cpuPerUnit: 1, unitsPerSecond: 1, busy: { server: 1, load: 1, others: 0 } }
  const pair: Pair = {
    ours: { ...run, figures: { 'a figure': ours } },
    rival: { ...run, figures: { 'a figure': rival } }
  }
  return summarizeFigures(row, [pair]).found[0]?.reached
}

describe('the goal of a figure', () => {
  it('is none, where none is set', () => {
    expect(reached({}, 1, 1)).toBeUndefined()
  })

  it('is for ours alone, or for the ratio to the rival, or for both', () => {
    expect([reached({ atMost: 2 }, 2, 1), reached({ atMost: 2 }, 3, 9)]).toEqual([true, false])
    expect([reached({ ratioAtMost: 2 }, 2, 1), reached({ ratioAtMost: 2 }, 3, 1)]).toEqual([true, false])
    expect([reached({ atMost: 3, ratioAtMost: 2 }, 3, 1), reached({ atMost: 2, ratioAtMost: 2 }, 3, 9)]).toEqual([
      false,
      false
    ])
  })

  it('is missed where there is nothing to compare with', () => {
    expect(reached({ ratioAtMost: 2 }, 3, 0)).toBe(false)
  })
})
