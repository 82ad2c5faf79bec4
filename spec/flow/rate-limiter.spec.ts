import { describe, expect, it } from 'vitest'
import { type Address, RateLimiter, type RateLimiterOptions } from '../../lib/index.ts'

const from = (host: string): Address => ({ family: host.includes(':') ? 'IPv6' : 'IPv4', host, port: 1 })

/** One whose time is set by hand. */
function timed(options: Omit<RateLimiterOptions, 'clock'>): { limiter: RateLimiter; at: (now: number) => void } {
  let now = 5_000_000
  const limiter = new RateLimiter({ ...options, clock: () => now })
  return {
    limiter,
    at: (passed) => {
      now = 5_000_000 + passed
    }
  }
}

/** How many can be taken at once. */
function taken(limiter: RateLimiter, who: Address | string, tries = 1_000): number {
  let count = 0
  while (count < tries && limiter.take(who)) count++
  return count
}

const me = from('192.0.2.7')

describe('RateLimiter', () => {
  it('gives a burst, then one token after the other, and saves up no more than the burst', () => {
    const { limiter, at } = timed({ rate: 10, per: 1_000, burst: 20 })
    expect(taken(limiter, me)).toBe(20)
    at(99)
    expect(taken(limiter, me)).toBe(0)
    at(100)
    expect(taken(limiter, me)).toBe(1)
    at(350)
    expect(taken(limiter, me)).toBe(2)
    at(400)
    expect(taken(limiter, me)).toBe(1)
    at(60_000)
    expect(taken(limiter, me)).toBe(20)
  })

  it('gives as many at first as in the time of per, and one at least', () => {
    expect(taken(timed({ rate: 7 }).limiter, me)).toBe(7)
    expect(taken(timed({ rate: 0.5 }).limiter, me)).toBe(1)
    const { limiter, at } = timed({ rate: 0.5 })
    limiter.take(me)
    at(1_999)
    expect(limiter.take(me)).toBe(false)
    at(2_000)
    expect(limiter.take(me)).toBe(true)
  })

  it('gives the whole burst whatever a token takes to come', () => {
    for (const rate of [3, 7, 30, 70, 0.3, 999, 1e9]) {
      for (const burst of [3, 10, 1_000]) expect(taken(timed({ rate, burst }).limiter, me, 2_000)).toBe(burst)
    }
  })

  it('takes several at once, or none of them', () => {
    const { limiter } = timed({ rate: 1, burst: 10 })
    expect(limiter.take(me, 8)).toBe(true)
    expect(limiter.take(me, 3)).toBe(false)
    expect(limiter.take(me, 2)).toBe(true)
    expect(limiter.take(me, 0.1)).toBe(false)
    expect(() => limiter.take(me, 11)).toThrow('Cannot take 11 tokens: at most 10 are there at a time, the burst')
    expect(() => limiter.take(me, 0)).toThrow(RangeError)
    expect(() => limiter.take(me, Number.NaN)).toThrow(RangeError)
    expect(() => limiter.take(me, '1' as never)).toThrow(TypeError)
  })

  it('takes an IPv4 address for one, however it is written, and a /64 of IPv6', () => {
    const { limiter } = timed({ rate: 1, burst: 1 })
    expect(limiter.take(from('192.0.2.1'))).toBe(true)
    expect(limiter.take(from('192.0.2.2'))).toBe(true)
    expect(limiter.take(from('::ffff:192.0.2.1'))).toBe(false)
    expect(limiter.take(from('2001:db8::1'))).toBe(true)
    expect(limiter.take(from('2001:db8::ffff:1'))).toBe(false)
    expect(limiter.take(from('2001:db8:0:1::1'))).toBe(true)
    expect(limiter.take(from('fe80::1%eth0'))).toBe(true)
    expect(limiter.take(from('fe80::2%eth0'))).toBe(false)
    expect(limiter.take(from('fe80::1%eth1'))).toBe(true)
  })

  it('groups by other prefixes', () => {
    const { limiter } = timed({ rate: 1, burst: 1, ipv4Prefix: 24, ipv6Prefix: 48 })
    expect(limiter.take(from('192.0.2.1'))).toBe(true)
    expect(limiter.take(from('192.0.2.255'))).toBe(false)
    expect(limiter.take(from('192.0.3.1'))).toBe(true)
    expect(limiter.take(from('2001:db8:1:1::1'))).toBe(true)
    expect(limiter.take(from('2001:db8:1:2::1'))).toBe(false)
    expect(limiter.take(from('2001:db8:2::1'))).toBe(true)
    const all = timed({ rate: 1, burst: 1, ipv4Prefix: 0, ipv6Prefix: 0 }).limiter
    for (const host of ['10.0.0.1', '2001:db8::1']) expect(all.take(from(host))).toBe(true)
    for (const host of ['255.0.0.1', '::1']) expect(all.take(from(host))).toBe(false)
  })

  it('limits nobody who has no address, and any name of the program', () => {
    const { limiter } = timed({ rate: 1, burst: 1 })
    for (let i = 0; i < 3; i++) {
      expect(limiter.take({ family: 'unix', path: '/run/a' })).toBe(true)
      expect(limiter.take(undefined)).toBe(true)
      expect(limiter.take(from(''))).toBe(true)
    }
    expect(limiter.size).toBe(0)
    expect(limiter.take('uid 1000')).toBe(true)
    expect(limiter.take('uid 1000')).toBe(false)
    expect(limiter.take('192.0.2.7')).toBe(true)
    expect(limiter.take(me)).toBe(true)
  })

  it('forgets those that are full, without a timer', () => {
    const { limiter, at } = timed({ rate: 10, burst: 20 })
    for (let i = 0; i < 100; i++) limiter.take(from(`10.0.0.${i}`))
    taken(limiter, me)
    expect(limiter.size).toBe(101)
    at(200)
    expect(taken(limiter, me)).toBe(2)
    expect(limiter.size).toBe(1)
    at(10_000)
    limiter.take(from('10.0.0.1'))
    expect(limiter.size).toBe(1)
  })

  it('is bounded: a flood of addresses pushes out neither whom it limits nor is it refused', () => {
    const { limiter, at } = timed({ rate: 10, burst: 20, maxAddresses: 100 })
    expect(taken(limiter, me)).toBe(20)
    for (let i = 0; i < 10_000; i++) {
      at(i / 200)
      expect(limiter.take(from(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`))).toBe(true)
      expect(limiter.size).toBeLessThanOrEqual(100)
    }
    expect(taken(limiter, me)).toBe(0)
    // Those that came first were forgotten first.
    expect(taken(limiter, from('10.0.0.1'))).toBe(20)
    expect(taken(limiter, from('10.0.39.15'))).toBe(19)
    limiter.maxAddresses = 1
    expect(limiter.size).toBe(1)
    expect(limiter.take(from('10.9.9.9'))).toBe(true)
    expect(limiter.size).toBe(1)
  })

  it('is changed while it is in use: what was taken stays taken', () => {
    const { limiter, at } = timed({ rate: 10, burst: 20 })
    expect(taken(limiter, me, 15)).toBe(15)
    limiter.rate = 100
    expect(taken(limiter, me)).toBe(5)
    at(10)
    expect(taken(limiter, me)).toBe(1)
    limiter.per = 10_000
    at(60)
    expect(taken(limiter, me)).toBe(0)
    at(110)
    expect(taken(limiter, me)).toBe(1)
    limiter.burst = 25
    expect(taken(limiter, me)).toBe(5)
    limiter.burst = 2
    expect(taken(limiter, me)).toBe(0)
    at(310)
    expect(taken(limiter, me)).toBe(2)
    expect(limiter).toMatchObject({ rate: 100, per: 10_000, burst: 2, maxAddresses: 10_000 })
  })

  it('goes on where its clock runs back, or leaps', () => {
    const { limiter, at } = timed({ rate: 10, burst: 2 })
    expect(taken(limiter, me)).toBe(2)
    at(-100_000)
    expect(taken(limiter, me)).toBe(0)
    at(100)
    expect(taken(limiter, me)).toBe(1)
    at(1e13)
    expect(taken(limiter, me)).toBe(2)
    expect(taken(limiter, me)).toBe(0)
  })

  it('says what is wrong with its options', () => {
    const wrong =
      (options: object): (() => unknown) =>
      () =>
        new RateLimiter(options as never)
    expect(wrong({})).toThrow('Option rate must be a number of tokens: got undefined')
    expect(wrong({ rate: 0 })).toThrow('Option rate must be from 0.000001 to 1000000000: got 0')
    expect(wrong({ rate: Number.NaN })).toThrow(RangeError)
    expect(wrong({ rate: Number.POSITIVE_INFINITY })).toThrow(RangeError)
    expect(wrong({ rate: 1, per: 0 })).toThrow('Option per must be from 1')
    expect(wrong({ rate: 1, per: Number.POSITIVE_INFINITY })).toThrow('Option per must be finite')
    expect(wrong({ rate: 1, burst: 0 })).toThrow('Option burst')
    expect(wrong({ rate: 1, burst: 1.5 })).toThrow('Option burst')
    expect(wrong({ rate: 1, maxAddresses: 0 })).toThrow('Option maxAddresses')
    expect(wrong({ rate: 1, ipv4Prefix: 33 })).toThrow('Option ipv4Prefix')
    expect(wrong({ rate: 1, ipv6Prefix: -1 })).toThrow('Option ipv6Prefix')
    expect(wrong({ rate: 1, clock: 7 })).toThrow('Option clock must be a function: got 7')
    expect(wrong({ rate: 1, limit: 7 })).toThrow('RateLimiter has no option limit')
    const { limiter } = timed({ rate: 10 })
    expect(() => {
      limiter.rate = -1
    }).toThrow(RangeError)
    expect(() => {
      limiter.burst = 0
    }).toThrow(RangeError)
    expect(limiter).toMatchObject({ rate: 10, burst: 10 })
  })
})
