import { describe, expect, it } from 'vitest'
import type { KeptRow } from '../../bench/harness/kept-results.ts'
import { mergeRows } from '../../bench/harness/results.ts'

const load = { generator: 'load-datagrams', options: { clients: 4, window: 32, size: 64 } } as const

function rowOf(rival: string, work = 'echo') {
  return { work, rival: { name: rival }, load }
}

function keptOf(rival: string, date: string, more: Partial<KeptRow> = {}): KeptRow {
  return { work: 'echo', ours: 'it-socketserver', rival, load, date, pairs: [], ...more }
}

describe('the rows of a results file', () => {
  it('take the place of those of before, and leave the others alone', () => {
    const before = [keptOf('Bun', 'old'), keptOf('Deno', 'old')]
    expect(mergeRows([rowOf('Bun'), rowOf('Deno')], [keptOf('Deno', 'new')], before)).toEqual([
      keptOf('Bun', 'old'),
      keptOf('Deno', 'new')
    ])
  })

  it('keep the order of the benchmark', () => {
    const found = [keptOf('Deno', 'new'), keptOf('Bun', 'new')]
    expect(mergeRows([rowOf('Bun'), rowOf('Deno')], found, []).map(({ rival }) => rival)).toEqual(['Bun', 'Deno'])
  })

  it('are not lost where the rival is missing this time', () => {
    const skipped = keptOf('Bun', 'new', { skipped: 'Bun is not installed' })
    expect(mergeRows([rowOf('Bun')], [skipped], [keptOf('Bun', 'old')])).toEqual([keptOf('Bun', 'old')])
    expect(mergeRows([rowOf('Bun')], [skipped], [])).toEqual([skipped])
  })

  it('go when the benchmark has them no longer, or asks for something else', () => {
    const otherLoad = { ...load, options: { ...load.options, size: 65 } }
    const before = [keptOf('Deno', 'old'), keptOf('Bun', 'old', { load: otherLoad })]
    expect(mergeRows([rowOf('Bun')], [], before)).toEqual([])
  })
})
