import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MessageRequest } from '../../lib/accept/request/message-request.ts'
import { parallel } from '../../lib/flow/parallel.ts'
import { sequential } from '../../lib/flow/sequential.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import type { Outcome } from '../../lib/outcome.ts'
import { turns, type Watched, watch } from '../support/turns.ts'
import { runs } from './runs.ts'
import { type Delay, pause, QuietServer, type SourcePlan, TrackedSource } from './tracked-source.ts'

interface HandlerPlan {
  readonly takes: Delay
  readonly ends: 'well' | 'rejects' | 'throws' | 'throws a string'
}

interface Plan extends SourcePlan {
  /** `undefined` is sequential. */
  readonly limit: number | undefined
  readonly handlers: readonly HandlerPlan[]
  /** How many read the outcomes side by side. */
  readonly readers: number
  /** How long they take over each. */
  readonly reading: readonly Delay[]
  /** After how many outcomes they leave; `undefined` for never. */
  readonly leaveAfter: number | undefined
}

const delay = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.integer({ min: 4, max: 6 }) })
const handlerPlan: fc.Arbitrary<HandlerPlan> = fc.record({
  takes: delay,
  ends: fc.oneof(
    { weight: 3, arbitrary: fc.constant('well' as const) },
    { weight: 1, arbitrary: fc.constantFrom('rejects' as const, 'throws' as const, 'throws a string' as const) }
  )
})
const plan: fc.Arbitrary<Plan> = fc.record({
  arrivals: fc.array(delay, { maxLength: 16, size: 'max' }),
  end: fc.constantFrom('done' as const, 'rejects' as const, 'throws' as const, 'parked' as const),
  answers: fc.oneof(
    { weight: 3, arbitrary: fc.constant('promise' as const) },
    { weight: 1, arbitrary: fc.constantFrom('thenable' as const, 'sync' as const) }
  ),
  giveBack: fc.constantFrom<SourcePlan['giveBack'][]>(
    'missing',
    'answers',
    'rejects',
    'throws',
    'never',
    'ends the pull'
  ),
  limit: fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 6 }), fc.constant(Number.POSITIVE_INFINITY)),
  handlers: fc.array(handlerPlan, { minLength: 1, maxLength: 16 }),
  readers: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 3 }) }),
  reading: fc.array(delay, { minLength: 1, maxLength: 6 }),
  leaveAfter: fc.option(fc.nat(16), { nil: undefined })
})

const failing = {
  well: undefined,
  rejects: 'later',
  throws: 'at once',
  'throws a string': 'Non-error thrown: a string'
}

/** Runs a plan to its end, and holds it against what must be. */
async function play(plan: Plan): Promise<void> {
  const { end, limit = 1, reading } = plan
  const handlerOf = (index: number): HandlerPlan => plan.handlers[index % plan.handlers.length] as HandlerPlan
  const indexOf = (request: MessageRequest): number => Number(request.packet.toString())
  const total = plan.arrivals.length
  const parked = end === 'parked' && plan.answers !== 'sync'
  // Nobody gets more than there is from a source that does not end.
  const leaveAfter = parked ? Math.min(plan.leaveAfter ?? total, total) : plan.leaveAfter
  let asked = 0
  let running = 0
  let peak = 0
  let left = 'no' as 'no' | 'before the end' | 'after the end'
  const handled: number[] = []
  const read: Outcome<MessageRequest>[] = []
  const errors: unknown[] = []

  const source = new TrackedSource(plan, () => {
    // An outcome is read when somebody who asked has got it.
    const held = source.pulled - Math.min(source.closed, asked)
    if (held >= limit) return `pulled with ${held} of ${limit} held`
    if (plan.limit === undefined && source.pulled >= asked) return 'pulled though nobody asks'
    return undefined
  })

  const serve = async (how: HandlerPlan, index: number): Promise<string> => {
    peak = Math.max(peak, ++running)
    await pause(how.takes)
    running--
    if (how.ends === 'rejects') throw new Error('later')
    return `value ${index}`
  }
  const handler = (request: MessageRequest): Promise<string> => {
    const index = indexOf(request)
    const how = handlerOf(index)
    handled.push(index)
    if (how.ends === 'throws') throw new Error('at once')
    // biome-ignore lint/style/useThrowOnlyError: handlers of others may do so
    if (how.ends === 'throws a string') throw 'a string'
    return serve(how, index)
  }

  const outcomes = (plan.limit === undefined ? sequential(handler) : parallel(handler, { limit }))(source.iterable)
  const reader = async (): Promise<void> => {
    while (left === 'no') {
      if (leaveAfter !== undefined && read.length >= leaveAfter) {
        left = source.ended ? 'after the end' : 'before the end'
        const leaving = outcomes.return?.()
        expect(source.returns).toBe(left === 'before the end' && plan.giveBack !== 'missing' ? 1 : 0)
        expect(await leaving).toEqual({ done: true, value: undefined })
        expect(running).toBe(0)
        return
      }
      asked++
      try {
        const result = await outcomes.next()
        if (result.done === true) return
        read.push(result.value)
      } catch (error) {
        expect(running).toBe(0)
        expect(source.closed).toBe(source.pulled)
        // Once is right; more is seen below.
        if (errors.push(error) > 2) return
        continue
      }
      await pause(reading[read.length % reading.length] as Delay)
    }
  }
  await Promise.all(Array.from({ length: plan.readers }, reader))

  // What was on its way when the stage was left still comes, and is refused.
  while (source.pulling && !(parked && source.pulled === total)) await turns()
  await turns(2)
  expect(await outcomes.next()).toEqual({ done: true, value: undefined })
  expect(await outcomes.return?.()).toEqual({ done: true, value: undefined })

  expect(source.violations).toEqual([])
  expect(source.returns).toBe(left === 'before the end' && plan.giveBack !== 'missing' ? 1 : 0)
  expect(peak).toBeLessThanOrEqual(limit)
  expect(source.released.map((settlements) => settlements.length)).toEqual(source.released.map(() => 1))
  expect(new Set(handled).size).toBe(handled.length)

  const { served, failed, refused } = source.server.counters
  const failures = handled.filter((index) => handlerOf(index).ends !== 'well')
  expect({ served, failed, refused }).toEqual({
    served: handled.length - failures.length,
    failed: failures.length,
    refused: source.pulled - handled.length
  })
  expect(source.server.errors).toHaveLength(failures.length)
  for (const [index, [settlement]] of source.released.entries()) {
    if (handled.includes(index))
      expect(settlement?.status).toBe(handlerOf(index).ends === 'well' ? 'fulfilled' : 'rejected')
    else expect(settlement).toMatchObject({ status: 'aborted', reason: { cause: 'refused' } })
  }

  expect(new Set(read.map((outcome) => outcome.request)).size).toBe(read.length)
  for (const outcome of read) {
    const index = indexOf(outcome.request)
    if (outcome.status === 'fulfilled') expect(outcome.value).toBe(`value ${index}`)
    else expect(outcome.reason.message).toBe(failing[handlerOf(index).ends])
    expect(source.released[index]?.[0]?.status).toBe(outcome.status)
  }

  const fails = end === 'rejects' || end === 'throws'
  if (left === 'no') {
    expect(read).toHaveLength(total)
    expect(handled).toHaveLength(total)
    expect(errors).toEqual(fails ? [source.failure] : [])
  } else {
    expect(errors.length).toBeLessThanOrEqual(fails ? 1 : 0)
    // One pull at a time: no more than one request can be on its way when a stage is left.
    expect(refused).toBeLessThanOrEqual(left === 'before the end' ? 1 : 0)
  }
}

describe('parallel and sequential', () => {
  it('hold their limit, close every request once and give their source back, whatever happens', async () => {
    await fc.assert(fc.asyncProperty(plan, play), { numRuns: runs(1_000), plugins: [fc.timeout(10_000)] })
  })

  it('use all their permits, and no more', async () => {
    const numbers = fc.record({ limit: fc.integer({ min: 1, max: 50 }), total: fc.nat(60) })
    await fc.assert(
      fc.asyncProperty(numbers, fc.boolean(), async ({ limit, total }, sync) => {
        const source = new TrackedSource(
          { arrivals: Array(total).fill(0), end: 'done', answers: sync ? 'sync' : 'promise', giveBack: 'answers' },
          () => undefined
        )
        const full = deferred<void>()
        let running = 0
        let peak = 0
        // Everybody waits until as many are inside as may be: with one fewer this would never end.
        const handler = async (): Promise<void> => {
          peak = Math.max(peak, ++running)
          if (running === Math.min(limit, total)) full.resolve()
          await full.promise
          running--
        }
        let read = 0
        for await (const _ of parallel(handler, { limit })(source.iterable)) read++
        expect(read).toBe(total)
        expect(peak).toBe(Math.min(limit, total))
      }),
      { numRuns: runs(100), plugins: [fc.timeout(10_000)] }
    )
  })

  it('pull no further than the readers of their outcomes have come, and as far as that', async () => {
    const numbers = fc.record({ limit: fc.integer({ min: 1, max: 12 }), total: fc.nat(30), asked: fc.nat(20) })
    await fc.assert(
      fc.asyncProperty(numbers, fc.boolean(), fc.boolean(), async ({ limit, total, asked }, sequentially, together) => {
        const source = new TrackedSource(
          { arrivals: Array(total).fill(0), end: 'parked', answers: 'promise', giveBack: 'never' },
          () => undefined
        )
        const outcomes = (sequentially ? sequential(() => 1) : parallel(() => 1, { limit }))(source.iterable)
        const answers: Watched<IteratorResult<unknown>>[] = []
        while (answers.length < asked) {
          answers.push(watch(outcomes.next()))
          if (together && answers.length < asked) continue
          await turns(3)
          expect(source.pulled).toBe(Math.min(total, sequentially ? answers.length : answers.length + limit))
          expect(answers.map(({ state }) => state)).toEqual(
            answers.map((_, i) => (i < total ? 'fulfilled' : 'pending'))
          )
        }
        await outcomes.return?.()
        await turns()
        expect(answers.map(({ value }) => value?.done)).toEqual(answers.map((_, i) => i >= total))
        expect(source.returns).toBe(1)
      }),
      { numRuns: runs(100), plugins: [fc.timeout(10_000)] }
    )
  })

  it('close a request once whose handler aborts it, however long the release takes', async () => {
    const step = fc.record({ before: delay, after: delay, releasing: delay, rethrows: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, limit) => {
          const server = new QuietServer()
          const released: string[][] = []
          const replied: number[] = []
          const requests = steps.map(({ releasing }, index) => {
            const statuses: string[] = []
            released.push(statuses)
            return new MessageRequest({
              server,
              packet: String(index),
              reply: () => replied.push(index),
              release: async ({ status }) => {
                statuses.push(status)
                await pause(releasing)
              }
            })
          })
          const handler = async (request: MessageRequest): Promise<void> => {
            const { before, after, rethrows } = steps[Number(request.packet.toString())] as (typeof steps)[number]
            void request.wfile.write('never to be sent')
            await pause(before)
            request.abort(new Error('enough'))
            await pause(after)
            if (rethrows) throw request.abortReason as Error
          }
          let read = 0
          for await (const { request } of parallel(handler, { limit })(requests)) {
            expect(request.abortReason).toBeDefined()
            read++
          }
          await turns(5)
          expect(read).toBe(steps.length)
          expect(released).toEqual(steps.map(() => ['aborted']))
          expect(replied).toEqual([])
        }
      ),
      { numRuns: runs(100), plugins: [fc.timeout(10_000)] }
    )
  })
})
