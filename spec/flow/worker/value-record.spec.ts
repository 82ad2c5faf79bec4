import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { recordValue, reviveValue } from '../../../lib/flow/worker/value-record.ts'

function crossed(value: unknown): unknown {
  return reviveValue(structuredClone(recordValue(value)))
}

it('keeps every value that can be copied', () => {
  for (const value of [0, -0, Number.NaN, 2n ** 70n, 'ü', true, null, undefined]) expect(crossed(value)).toBe(value)
  const values = [
    new Date(0),
    new Map([[1, { a: [undefined] }]]),
    new Set(['a']),
    Buffer.from('bytes'),
    new Float64Array([1.5]),
    runInNewContext('({ of: "another realm" })')
  ]
  for (const value of values) expect(crossed(value)).toEqual(value)
})

it('leaves out what cannot be copied', () => {
  const throwing = {
    get bad(): never {
      throw new Error('a getter')
    }
  }
  for (const value of [() => {}, Symbol('s'), { a: () => {} }, throwing, new Proxy({}, {}), new WeakMap()]) {
    expect(recordValue(value)).toBe(undefined)
  }
})

it('leaves out what cannot be read', () => {
  expect(reviveValue(Buffer.from('none of ours'))).toBe(undefined)
})
