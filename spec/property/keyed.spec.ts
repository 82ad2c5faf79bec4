import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MessageRequest } from '../../lib/accept/request/message-request.ts'
import { parallel } from '../../lib/flow/parallel.ts'
import { Semaphore } from '../../lib/flow/semaphore.ts'
import type { Outcome } from '../../lib/outcome.ts'
import { turns } from '../support/turns.ts'
import { runs } from './runs.ts'
import { type Delay, pause, TrackedSource } from './tracked-source.ts'

interface RequestPlan {
  readonly comes: Delay
  readonly takes: Delay
  readonly key: number
  readonly ends: 'well' | 'rejects' | 'key throws'
  /** Aborted so long after it has come, whatever it does then; `undefined` for never. */
  readonly aborted: Delay | undefined
}

interface ModePlan {
  readonly requests: readonly RequestPlan[]
  readonly keyed: boolean
  readonly end: 'done' | 'rejects'
  /** How long each outcome takes to be read. */
  readonly reading: readonly Delay[]
  /** After how many outcomes it is left; `undefined` for never. */
  readonly leaveAfter: number | undefined
}

interface Plan {
  readonly modes: readonly ModePlan[]
  /** A number for each, or one semaphore for all. */
  readonly limit: number
  readonly shared: boolean
  /** What becomes of the semaphore meanwhile. */
  readonly changes: readonly { readonly after: Delay; readonly permits: number }[]
  /** Others who take a permit. */
  readonly others: readonly { readonly comes: Delay; readonly keeps: Delay; readonly givesUp: Delay | undefined }[]
}

const delay = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.integer({ min: 4, max: 6 }) })
const never = { nil: undefined, freq: 4 }
const requestPlan: fc.Arbitrary<RequestPlan> = fc.record({
  comes: delay,
  takes: delay,
  key: fc.nat(2),
  ends: fc.oneof(
    { weight: 5, arbitrary: fc.constant('well' as const) },
    { weight: 1, arbitrary: fc.constantFrom('rejects' as const, 'key throws' as const) }
  ),
  aborted: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: delay })
})
const modePlan: fc.Arbitrary<ModePlan> = fc.record({
  requests: fc.array(requestPlan, { maxLength: 12, size: 'max' }),
  keyed: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  end: fc.constantFrom('done' as const, 'rejects' as const),
  reading: fc.array(delay, { minLength: 1, maxLength: 4 }),
  leaveAfter: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(8) })
})
const plan: fc.Arbitrary<Plan> = fc.record({
  modes: fc.array(modePlan, { minLength: 1, maxLength: 3 }),
  limit: fc.integer({ min: 1, max: 5 }),
  shared: fc.boolean(),
  changes: fc.array(fc.record({ after: delay, permits: fc.oneof(fc.nat(5), fc.constant(Number.POSITIVE_INFINITY)) }), {
    maxLength: 4
  }),
  others: fc.array(fc.record({ comes: delay, keeps: delay, givesUp: fc.option(delay, never) }), { maxLength: 4 })
})

/** Who has permits at the moment, of one semaphore or of one number. */
class Tally {
  running = 0
  most = 0
  /** The most permits that there have been. */
  readonly limit: { value: number }

  constructor(limit: number) {
    this.limit = { value: limit }
  }

  begins(): void {
    this.most = Math.max(this.most, ++this.running)
    expect(this.running).toBeLessThanOrEqual(this.limit.value)
  }
}

/** Runs one mode to its end, and holds it against what must be. */
async function play(mode: ModePlan, limit: number | Semaphore, tally: Tally): Promise<void> {
  const { keyed, leaveAfter, requests } = mode
  const planOf = (request: MessageRequest): RequestPlan => requests[indexOf(request)] as RequestPlan
  const indexOf = (request: MessageRequest): number => Number(request.packet.toString())
  const begun: number[] = []
  const atWork = new Set<number>()
  const read: Outcome<MessageRequest, string>[] = []
  const errors: unknown[] = []
  let asked = 0
  let left = false

  const source = new TrackedSource(
    { arrivals: requests.map(({ comes }) => comes), end: mode.end, answers: 'promise', giveBack: 'answers' },
    () => {
      if (typeof limit !== 'number') return undefined
      const held = source.pulled - Math.min(source.closed, asked)
      return held >= limit ? `pulled with ${held} of ${limit} held` : undefined
    }
  )
  source.server.verifyRequest = () => true

  const key = (request: MessageRequest): number => {
    const { aborted, ends, key } = planOf(request)
    if (aborted !== undefined) void pause(aborted).then(() => request.abort(new Error('enough')))
    if (ends === 'key throws') throw new Error('no key')
    return key
  }
  const handler = async (request: MessageRequest): Promise<string> => {
    const { ends, key, takes } = planOf(request)
    tally.begins()
    begun.push(indexOf(request))
    // Never two of one key at once.
    if (keyed) expect(atWork.has(key)).toBe(false)
    atWork.add(key)
    await pause(takes)
    atWork.delete(key)
    tally.running--
    if (ends === 'rejects') throw new Error('later')
    return `value ${request.packet.toString()}`
  }

  const outcomes = parallel(handler, keyed ? { limit, key } : { limit })(source.iterable)
  for (;;) {
    if (leaveAfter !== undefined && read.length >= leaveAfter) {
      left = true
      await outcomes.return?.()
      expect(atWork.size).toBe(0)
      break
    }
    asked++
    try {
      const result = await outcomes.next()
      if (result.done === true) break
      read.push(result.value)
    } catch (error) {
      // Once is right; more is seen below.
      if (errors.push(error) > 2) break
      continue
    }
    await pause(mode.reading[read.length % mode.reading.length] as Delay)
  }
  while (source.pulling) await turns()
  await turns(8)

  expect(source.violations).toEqual([])
  expect(source.released.map((settlements) => settlements.length)).toEqual(source.released.map(() => 1))
  expect(new Set(begun).size).toBe(begun.length)
  if (keyed) {
    for (const one of [0, 1, 2]) {
      const order = begun.filter((index) => requests[index]?.key === one)
      expect(order).toEqual([...order].sort((a, b) => a - b))
    }
    expect(begun.filter((index) => requests[index]?.ends === 'key throws')).toEqual([])
  }

  const { failed, refused, served } = source.server.counters
  expect(served + failed + refused).toBe(source.pulled)
  expect(read.map(({ request }) => request.packet.toString())).toEqual([
    ...new Set(read.map(({ request }) => request.packet.toString()))
  ])
  for (const { request, status } of read) {
    const { aborted, ends } = planOf(request)
    if (!keyed || aborted === undefined) {
      expect(source.released[indexOf(request)]?.[0]?.status).toBe(status)
      const unkeyed = !keyed && ends === 'key throws'
      expect(status).toBe(ends === 'well' || unkeyed ? 'fulfilled' : 'rejected')
    }
    if (status === 'fulfilled') expect(begun).toContain(indexOf(request))
  }
  if (left) return
  expect(read).toHaveLength(requests.length)
  expect(refused).toBe(0)
  expect(errors).toEqual(mode.end === 'rejects' ? [source.failure] : [])
  // Nobody but the aborted and those without a key has missed the handler.
  const missed = requests.filter((_, index) => !begun.includes(index))
  expect(missed.filter(({ aborted, ends }) => aborted === undefined && ends !== 'key throws')).toEqual([])
}

async function playAll({ changes, limit, modes, others, shared }: Plan): Promise<void> {
  if (!shared) {
    await Promise.all(modes.map((mode) => play(mode, limit, new Tally(limit))))
    return
  }
  const semaphore = new Semaphore(limit)
  const tally = new Tally(limit)
  const change = async (): Promise<void> => {
    for (const { after, permits } of changes) {
      await pause(after)
      tally.limit.value = Math.max(tally.limit.value, permits)
      semaphore.permits = permits
    }
    await turns(3)
    // With none at all it would not end.
    semaphore.permits = limit
  }
  const other = async ({ comes, givesUp, keeps }: Plan['others'][number]): Promise<void> => {
    await pause(comes)
    const giving = new AbortController()
    if (givesUp !== undefined) void pause(givesUp).then(() => giving.abort())
    try {
      using permit = await semaphore.acquire({ signal: giving.signal })
      expect(permit).toBeDefined()
      tally.begins()
      await pause(keeps)
      tally.running--
    } catch (error) {
      if (error !== giving.signal.reason) throw error
    }
  }
  await Promise.all([change(), ...others.map(other), ...modes.map((mode) => play(mode, semaphore, tally))])
  expect(semaphore).toMatchObject({ permits: limit, taken: 0, waiting: 0 })
}

describe('parallel with keys, by a number or a semaphore that is shared and changed', () => {
  it('keeps the order of each key, its limit, and every outcome', async () => {
    await fc.assert(fc.asyncProperty(plan, playAll), { numRuns: runs(1_000), plugins: [fc.timeout(10_000)] })
  })
})
