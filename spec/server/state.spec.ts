import { describe, expect, it } from 'vitest'
import { advance, type State } from '../../lib/server/state.ts'

const inOrder: readonly State[] = [
  { at: 'new' },
  { at: 'binding', ready: Promise.resolve() },
  { at: 'listening' },
  { at: 'closing' },
  { at: 'closed' }
]

describe('the states of a server', () => {
  for (const [i, from] of inOrder.entries()) {
    for (const [j, to] of inOrder.entries()) {
      if (j > i) {
        it(`goes from ${from.at} to ${to.at}`, () => {
          expect(advance(from, to)).toBe(to)
        })
      } else {
        it(`does not go from ${from.at} to ${to.at}`, () => {
          expect(() => advance(from, to)).toThrow(`${from.at} cannot become ${to.at}`)
        })
      }
    }
  }
})
