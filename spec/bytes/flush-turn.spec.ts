import { describe, expect, it } from 'vitest'
import { flushThisTurn } from '../../lib/bytes/flush-turn.ts'
import { microtasks, turns } from '../support/turns.ts'

describe('flushThisTurn', () => {
  it('flushes all that asked in a turn at its end, once, in order', async () => {
    const flushed: string[] = []
    const writer = (name: string): { flushTurn(): void } => ({ flushTurn: () => flushed.push(name) })
    flushThisTurn(writer('a'))
    await microtasks(3)
    flushThisTurn(writer('b'))
    flushThisTurn(writer('c'))
    expect(flushed).toEqual([])
    await turns()
    expect(flushed).toEqual(['a', 'b', 'c'])
    await turns(2)
    expect(flushed).toEqual(['a', 'b', 'c'])
  })

  it('flushes in the next turn what is written while it flushes', async () => {
    const flushed: string[] = []
    const again = { flushTurn: () => flushed.push('again') }
    flushThisTurn({
      flushTurn: () => {
        flushed.push('first')
        flushThisTurn(again)
      }
    })
    await turns()
    expect(flushed).toEqual(['first'])
    await turns()
    expect(flushed).toEqual(['first', 'again'])
  })
})
