import { describe, expect, it } from 'vitest'
import { closeSource } from '../../lib/iterator/close-source.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

describe('closeSource', () => {
  /** An iterator that counts how often it is given back, as itself. */
  function source(answer: () => unknown): { iterator: AsyncIterator<unknown>; returns: () => number } {
    let returns = 0
    const iterator = {
      next: () => new Promise<never>(() => {}),
      return(this: unknown) {
        if (this === iterator) returns++
        return answer() as Promise<IteratorResult<unknown>>
      }
    }
    return { iterator, returns: () => returns }
  }

  it.each([
    ['answers', () => Promise.resolve({ done: true, value: undefined })],
    ['never answers', () => new Promise(() => {})],
    ['rejects', () => Promise.reject(new Error('broken'))],
    [
      'throws',
      () => {
        throw new Error('broken')
      }
    ],
    ['answers at once', () => ({ done: true, value: undefined })],
    ['gives nothing', () => undefined]
  ])('calls the return() of a source that %s, once, and does not wait', async (_, answer) => {
    const { iterator, returns } = source(answer)
    expect(closeSource(iterator)).toBe(undefined)
    expect(returns()).toBe(1)
    await turns()
    expect(returns()).toBe(1)
  })

  it('lets a source be that has no return()', () => {
    expect(() => closeSource({ next: () => ({ done: true, value: undefined }) })).not.toThrow()
  })

  it('lets a generator run its finally', async () => {
    const ran: string[] = []
    function* numbers(): Generator<number> {
      try {
        yield 1
        yield 2
      } finally {
        ran.push('sync')
      }
    }
    async function* later(): AsyncGenerator<number> {
      try {
        yield 1
        yield 2
      } finally {
        ran.push('async')
      }
    }
    const [one, two] = [numbers(), later()]
    one.next()
    await two.next()
    closeSource(one)
    closeSource(two)
    await turns()
    expect(ran).toEqual(['sync', 'async'])
  })
})
