import { networkKey, type Prefixes } from '../accept/address/network-key.ts'
import type { Address } from '../address.ts'
import { count, integer, known, milliseconds, show } from '../arguments.ts'
import { BucketWheel } from './bucket-wheel.ts'

/** How much a {@link RateLimiter} gives to each address. */
export interface RateLimiterOptions {
  /** Tokens that each address gets in the time of `per`; required. */
  readonly rate: number
  /** The time in which it gets them, in milliseconds: 1,000 by default. */
  readonly per?: number
  /** The most tokens that an address saves up, and has at first: as many as `rate` by default, and at least 1. */
  readonly burst?: number
  /** Addresses whose tokens are counted at a time: 10,000 by default; see {@link RateLimiter} for what happens then. */
  readonly maxAddresses?: number
  /** Bits of an IPv4 address that say whose it is: 32 by default, each its own. */
  readonly ipv4Prefix?: number
  /** Bits of an IPv6 address that say whose it is: 64 by default, as a customer has at least that many addresses. */
  readonly ipv6Prefix?: number
  /** The time in milliseconds, which must not run back: `performance.now` by default. */
  readonly clock?: () => number
}

const names = ['rate', 'per', 'burst', 'maxAddresses', 'ipv4Prefix', 'ipv6Prefix', 'clock']

// Between these all sums are exact enough.
const lowestRate = 1e-6
const most = 1e9

// Of a token: what sums of fractions may be wrong by.
const slack = 1e-4

/**
 * A token bucket for each address: it holds `burst` tokens at first, and gets `rate` of them in the time of `per`; what is
 * done takes one, and where there is none it is not to be done. It can be changed while it is in use, and several servers
 * may share it.
 *
 * Resources: an entry for each address that has not all its tokens, `maxAddresses` at the most; no timer. With so many, a
 * new one takes the place of the one that has the most tokens left. That one is full again when it comes back: nobody is
 * ever refused for want of room, and who has used up his tokens is the last to be forgotten. Who has more addresses than
 * `maxAddresses` is limited by nothing but their number.
 * Errors: `TypeError` and `RangeError` for wrong options.
 *
 * @example
 * const limiter = new RateLimiter({ rate: 1, per: 60_000, burst: 2 })
 * const from = { family: 'IPv6', host: '2001:db8::1', port: 5000 } as const
 * assert.equal(limiter.take(from), true)
 * assert.equal(limiter.take({ ...from, host: '2001:db8::2' }), true)
 * assert.equal(limiter.take(from), false)
 * limiter.burst = 3
 * assert.equal(limiter.take(from), true)
 */
export class RateLimiter {
  readonly #prefixes: Prefixes
  readonly #clock: () => number
  readonly #origin: number
  #now = 0
  #rate: number
  #per: number
  #burst: number
  #maxAddresses: number
  #wheel: BucketWheel<string | number>

  /** @param options - how much it gives */
  constructor(options: RateLimiterOptions) {
    known('RateLimiter', options, names)
    this.#rate = rateOption(options.rate)
    this.#per = perOption(options.per ?? 1_000)
    this.#burst = burstOption(options.burst ?? Math.max(1, Math.ceil(this.#rate)))
    this.#maxAddresses = count('maxAddresses', options.maxAddresses, 10_000)
    this.#prefixes = {
      ipv4: integer('ipv4Prefix', options.ipv4Prefix, 32, { min: 0, max: 32 }),
      ipv6: integer('ipv6Prefix', options.ipv6Prefix, 64, { min: 0, max: 128 })
    }
    this.#clock = clockOption(options.clock)
    // Small numbers are exact to a finer point.
    this.#origin = this.#clock()
    this.#wheel = new BucketWheel(this.#longest, 0)
  }

  /** Tokens that each address gets in the time of `per`. What has been taken stays taken. */
  get rate(): number {
    return this.#rate
  }

  set rate(rate: number) {
    const checked = rateOption(rate)
    this.#change(() => {
      this.#rate = checked
    })
  }

  /** The time in which it gets them, in milliseconds. */
  get per(): number {
    return this.#per
  }

  set per(per: number) {
    const checked = perOption(per)
    this.#change(() => {
      this.#per = checked
    })
  }

  /** The most tokens that an address saves up. What has been taken stays taken. */
  get burst(): number {
    return this.#burst
  }

  set burst(burst: number) {
    const checked = burstOption(burst)
    this.#change(() => {
      this.#burst = checked
    })
  }

  /** Addresses whose tokens are counted at a time. */
  get maxAddresses(): number {
    return this.#maxAddresses
  }

  set maxAddresses(maxAddresses: number) {
    this.#maxAddresses = count('maxAddresses', maxAddresses, this.#maxAddresses)
    while (this.#wheel.size > this.#maxAddresses) this.#wheel.forgetFullest()
  }

  /** Addresses that have not all their tokens, as far as that was looked at. */
  get size(): number {
    return this.#wheel.size
  }

  /**
   * Take tokens, where there are so many; otherwise none.
   *
   * @param from - where a peer calls from; or a name of your own, for whatever else is to be limited (a user id). Where
   *   there is no IP address, nobody can be told from anybody, and nothing is limited
   * @param tokens - how many: 1 by default; fractions are allowed
   * @returns whether they were there
   */
  take(from: Address | string | undefined, tokens = 1): boolean {
    if (typeof tokens !== 'number') throw new TypeError(`take takes a number of tokens: got ${show(tokens)}`)
    if (!(tokens > 0 && tokens <= this.#burst)) {
      throw new RangeError(`Cannot take ${tokens} tokens: at most ${this.#burst} are there at a time, the burst`)
    }
    const key = this.#keyOf(from)
    if (key === undefined) return true
    const now = this.#passed()
    this.#wheel.advance(now)
    const had = this.#wheel.fullAt(key)
    const fullAt = Math.max(had ?? now, now) + tokens * this.#interval
    if (fullAt - now > this.#longest + slack * this.#interval) return false
    if (had === undefined && this.#wheel.size >= this.#maxAddresses) this.#wheel.forgetFullest()
    this.#wheel.set(key, fullAt)
    return true
  }

  /** Milliseconds until a token has come. */
  get #interval(): number {
    return this.#per / this.#rate
  }

  /** Milliseconds until an empty bucket is full. */
  get #longest(): number {
    return this.#burst * this.#interval
  }

  #passed(): number {
    const now = this.#clock() - this.#origin
    if (now > this.#now) this.#now = now
    return this.#now
  }

  #keyOf(from: Address | string | undefined): string | number | undefined {
    if (from === undefined) return undefined
    if (typeof from === 'string') return `name ${from}`
    return from.family === 'unix' ? undefined : networkKey(from.host, this.#prefixes)
  }

  /** What was taken is counted in tokens, whatever they come to take. */
  #change(set: () => void): void {
    const now = this.#passed()
    const before = this.#wheel
    const interval = this.#interval
    set()
    before.advance(now)
    this.#wheel = new BucketWheel(this.#longest, now)
    for (const [key, fullAt] of before.entries()) {
      const taken = Math.min((fullAt - now) / interval, this.#burst)
      if (taken > 0) this.#wheel.set(key, now + taken * this.#interval)
    }
  }
}

function rateOption(rate: unknown): number {
  if (typeof rate !== 'number') throw new TypeError(`Option rate must be a number of tokens: got ${show(rate)}`)
  if (rate >= lowestRate && rate <= most) return rate
  throw new RangeError(`Option rate must be from ${lowestRate} to ${most}: got ${rate}`)
}

function perOption(per: unknown): number {
  const checked = milliseconds('per', per, 1_000, 1)
  if (checked === Number.POSITIVE_INFINITY) throw new RangeError('Option per must be finite')
  return checked
}

function burstOption(burst: unknown): number {
  return integer('burst', burst, 1, { min: 1, max: most })
}

function clockOption(clock: unknown = () => performance.now()): () => number {
  if (typeof clock === 'function') return clock as () => number
  throw new TypeError(`Option clock must be a function: got ${show(clock)}`)
}
