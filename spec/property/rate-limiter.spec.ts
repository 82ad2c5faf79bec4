import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RateLimiter } from '../../lib/index.ts'
import { runs } from './runs.ts'

/** Tokens as one would count them by hand, in milliseconds of one token. */
class Buckets {
  readonly #left = new Map<string, { tokens: number; at: number }>()

  take(who: string, tokens: number, now: number, { interval, burst }: { interval: number; burst: number }): boolean {
    const bucket = this.#left.get(who) ?? { tokens: burst * interval, at: now }
    bucket.tokens = Math.min(burst * interval, bucket.tokens + now - bucket.at)
    bucket.at = now
    this.#left.set(who, bucket)
    if (bucket.tokens < tokens * interval) return false
    bucket.tokens -= tokens * interval
    return true
  }
}

describe('RateLimiter against buckets that are counted by hand', () => {
  it('gives the same tokens at the same time', () => {
    const step = fc.record({ passed: fc.nat(300), who: fc.constantFrom('a', 'b', 'c'), tokens: fc.nat(2) })
    fc.assert(
      fc.property(
        fc.constantFrom(1, 5, 10, 40, 125),
        fc.integer({ min: 3, max: 100 }),
        fc.array(step, { maxLength: 100, size: 'max' }),
        (interval, burst, steps) => {
          let now = 0
          const limiter = new RateLimiter({ rate: 1_000 / interval, burst, clock: () => now })
          const model = new Buckets()
          for (const { passed, who, tokens } of steps) {
            now += passed
            const wanted = tokens + 1
            expect(limiter.take(who, wanted)).toBe(model.take(who, wanted, now, { interval, burst }))
          }
          now += interval * burst * 2
          limiter.take('d')
          expect(limiter.size).toBe(1)
        }
      ),
      { numRuns: runs(300) }
    )
  })

  it('never counts more addresses than it may, and refuses no newcomer', () => {
    const step = fc.record({ passed: fc.nat(20), who: fc.nat(30), times: fc.nat(4) })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 200, size: 'max' }), (most, steps) => {
        let now = 0
        const limiter = new RateLimiter({ rate: 100, burst: 4, maxAddresses: most, clock: () => now })
        const seen = new Set<string>()
        for (const { passed, who, times } of steps) {
          now += passed
          const name = `${who}`
          for (let i = 0; i <= times; i++) {
            const taken = limiter.take(name)
            if (!seen.has(name)) expect(taken).toBe(true)
            seen.add(name)
            expect(limiter.size).toBeLessThanOrEqual(most)
          }
        }
      }),
      { numRuns: runs(300) }
    )
  })
})
