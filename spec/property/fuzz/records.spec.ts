import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { afterEach, beforeEach, it } from 'vitest'
import { recordError, reviveError } from '../../../lib/flow/worker/error-record.ts'
import { recordValue, reviveValue } from '../../../lib/flow/worker/value-record.ts'
import { leavesNothing } from './fuzz.ts'
import { anyBytes, mutated } from './mutated.ts'

// Of each error vitest looks up where its stack comes from: that would take most of the time.
const { stackTraceLimit } = Error
beforeEach(() => {
  Error.stackTraceLimit = 0
})
afterEach(() => {
  Error.stackTraceLimit = stackTraceLimit
})

// What a record may be made of. Those that stand for others are numbers of records: they may hold each other, and themselves.
const part = fc.oneof(
  fc.constantFrom(
    'RangeError',
    'AbortedError',
    'AggregateError',
    'Nobody’s',
    '',
    'toString',
    '__proto__',
    'constructor'
  ),
  fc.anything({ maxDepth: 1, maxKeys: 2, withBigInt: true, withTypedArray: true, withSparseArray: true })
)
const property = fc.tuple(
  fc.oneof(fc.constantFrom('cause', 'errors', 'code', 'name', 'message', 'stack', 'then', 'toString', 'valueOf'), part),
  fc.oneof(
    fc.record({ error: fc.nat(7) }),
    fc.record({ errors: fc.array(fc.nat(7), { maxLength: 6 }) }),
    fc.record({ errors: part }),
    part
  )
)
const node = fc.record(
  {
    name: part,
    message: part,
    stack: part,
    properties: fc.oneof({ weight: 5, arbitrary: fc.array(property, { maxLength: 4 }) }, { weight: 1, arbitrary: part })
  },
  { requiredKeys: [] }
)

/** Records that stand for each other by number, put together. */
function graph(nodes: readonly Record<string, unknown>[]): unknown {
  const records: { properties?: unknown }[] = nodes.map((its) => ({ ...its }))
  const nth = (n: number): unknown => records[n % records.length]
  for (const record of records) {
    if (!Array.isArray(record.properties)) continue
    record.properties = record.properties.map((given: unknown) => {
      const [name, value] = Array.isArray(given) ? given : [given, given]
      if (value === null || typeof value !== 'object') return [name, value]
      if ('error' in value && typeof value.error === 'number') return [name, { error: nth(value.error) }]
      if (!('errors' in value) || !Array.isArray(value.errors)) return [name, value]
      return [name, { errors: value.errors.map((n: unknown) => (typeof n === 'number' ? nth(n >>> 0) : n)) }]
    })
  }
  return records[0]
}

/** That an error is one to whoever prints it, or passes it on. */
function check(error: Error): void {
  const { name, message, stack } = error
  if (!(error instanceof Error) || typeof `${error}` !== 'string') throw new Error('It is no error')
  if (typeof name !== 'string' || typeof message !== 'string' || typeof stack !== 'string') throw new Error('It is odd')
  if (recordError(error).message !== message) throw new Error('It does not cross again')
}

it('makes an error of anything that stands for one, and no more than a few of it', async () => {
  await leavesNothing((many) =>
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 4 }), (nodes) => {
        check(reviveError(graph(nodes)))
      }),
      { numRuns: many }
    )
  )
})

it('makes an error of what has come broken', async () => {
  const cause = Object.assign(new Error('far', { cause: new TypeError('farther') }), {
    code: 'E',
    bytes: Buffer.from('b')
  })
  const whole = [new RangeError('near', { cause }), new AggregateError([cause, cause], 'all')].map(
    (error) => serialize(recordError(error)),
    0.25
  )
  await leavesNothing((many) =>
    fc.assert(
      fc.property(mutated(fc.constantFrom(...whole)), (bytes) => {
        let record: unknown
        try {
          record = deserialize(bytes)
        } catch {
          return
        }
        check(reviveError(record))
      }),
      { numRuns: many }
    )
  )
})

it('makes a value, or none, of bytes that may be anything', async () => {
  const values = [
    { of: ['a', 'handler', 1, 2.5, -0, null], deep: { map: new Map([[1, new Set([2])]]), date: new Date(5) } },
    [1n << 70n, /a+/g, new Uint16Array([1, 2, 3]), new Error('told'), Buffer.from('bytes')],
    Object.assign(new Array(3), { 1: 'sparse', named: true }),
    new Float64Array(20)
  ].map((value) => recordValue(value) as Buffer)
  await leavesNothing((many) =>
    fc.assert(
      fc.property(
        fc.oneof({ weight: 6, arbitrary: mutated(fc.constantFrom(...values)) }, { weight: 1, arbitrary: anyBytes(40) }),
        (bytes) => {
          reviveValue(bytes)
        }
      ),
      { numRuns: many }
    )
  )
})
