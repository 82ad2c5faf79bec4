import { serialize } from 'node:v8'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { recordError } from '../../../lib/flow/worker/error-record.ts'
import { encode, joined } from '../../../lib/flow/worker/message-codec.ts'
import { bridgeWindow, type WorkerMessage } from '../../../lib/flow/worker/messages.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'
import { leavesNothing } from './fuzz.ts'
import { Siege } from './hostile-worker.ts'
import { anyBytes, mutated } from './mutated.ts'

checkNothingUnhandled()

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
})

// Two messages, two connections, and one that is nobody's.
const pairs = 2
const id = fc.integer({ min: 1, max: 2 * pairs + 1 })

const error = recordError(
  new AggregateError([new RangeError('one'), new TypeError('two', { cause: new Error('three') })], 'all')
)
const bytes = fc.constantFrom(Buffer.alloc(0), Buffer.from('bytes'), Buffer.alloc(7_000, 'x'))
const amount = fc.constantFrom(0, 1, 5, 1_000, bridgeWindow, 2 ** 40)

/** What an honest worker says, though not when it would. */
const honest: fc.Arbitrary<WorkerMessage> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('claim' as const), id }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('missing' as const, 'end' as const), id }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('data' as const), id, bytes }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('credit' as const), id, bytes: amount }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('report' as const),
      id,
      status: fc.constantFrom('fulfilled' as const, 'rejected' as const, 'aborted' as const),
      value: fc.constantFrom(undefined, 5, serialize({ of: 'a handler' })),
      error: fc.constantFrom(undefined, error),
      notes: fc.constantFrom([], [error, error]),
      reply: fc.constantFrom(undefined, Buffer.from('pong')),
      bytesIn: amount,
      bytesOut: amount
    })
  },
  { weight: 1, arbitrary: fc.constantFrom<WorkerMessage>({ type: 'ready' }, { type: 'pong' }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom('failed' as const, 'crashed' as const), error: fc.constant(error) })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('close' as const),
      server: fc.nat(3),
      deadline: fc.constantFrom(undefined, 0, 5)
    })
  }
)

/** What is said, and by which channel. */
type Said = { readonly raw: unknown } | { readonly bytes: Buffer }

const anything = fc.anything({ maxDepth: 2, withBigInt: true, withTypedArray: true, withSparseArray: true })
const keys = fc.constantFrom(
  'type',
  'id',
  'bytes',
  'status',
  'value',
  'error',
  'notes',
  'reply',
  'bytesIn',
  'bytesOut',
  'server',
  'deadline'
)

const honestBytes = honest.map((message) => joined([encode(message)]))
const said: fc.Arbitrary<Said> = fc.oneof(
  { weight: 4, arbitrary: honest.map((raw) => ({ raw })) },
  { weight: 2, arbitrary: honestBytes.map((whole) => ({ bytes: whole })) },
  { weight: 4, arbitrary: mutated(honestBytes).map((broken) => ({ bytes: broken })) },
  { weight: 1, arbitrary: anyBytes(64).map((random) => ({ bytes: random })) },
  {
    weight: 4,
    arbitrary: fc.tuple(honest, keys, anything).map(([message, key, value]) => ({ raw: { ...message, [key]: value } }))
  },
  { weight: 1, arbitrary: anything.map((raw) => ({ raw })) }
)

const each = 100

it('leaves the pool of a broken worker on its feet, whatever that says, and nobody without an end', async () => {
  const seen = { fulfilled: 0, rejected: 0, pending: 0, killed: 0, notes: 0 }
  await leavesNothing((many) =>
    fc.assert(
      fc.asyncProperty(fc.array(said, { minLength: each, maxLength: each, size: 'max' }), async (all) => {
        const siege = await Siege.begin(pairs)
        expect(siege.offered).toBe(2 * pairs)
        const { worker } = siege
        for (const one of all) {
          if ('bytes' in one) worker.sayBytes(one.bytes)
          else worker.say(one.raw)
        }
        for (const state of await siege.end()) seen[state]++
        if (worker.isKilled) seen.killed++
        seen.notes += siege.server.notes
      }),
      { numRuns: Math.ceil(many / each) }
    )
  )
  // It was not only told off.
  expect(seen.pending).toBe(0)
  expect(Math.min(seen.fulfilled, seen.rejected, seen.killed, seen.notes)).toBeGreaterThan(0)
})
