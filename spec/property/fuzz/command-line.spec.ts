import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readArguments, UsageError } from '../../../lib/cli/arguments.ts'
import { leavesNothing } from './fuzz.ts'

const word = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('--host', '--port', '--limit', '--help', '-h', '--', '-', '', '--no-port') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('0', '80', '65535', '65536', '-1', '1e3', ' 9', '٣', '0x50', '9007199254740993')
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('--port=', '--port=80', '--limit=0', '--host=::1', '--help=yes', '-hh', '--__proto__')
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) }
)

it('makes arguments within their bounds of any words, or says what is wrong with them', async () => {
  let well = 0
  const read = (words: string[]): void => {
    let given: ReturnType<typeof readArguments>
    try {
      given = readArguments(words)
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError)
      expect((error as Error).message).not.toBe('')
      return
    }
    const { host, port, limit, help } = given
    expect(host).not.toBe('')
    expect(Number.isInteger(port) && port >= 0 && port <= 65_535).toBe(true)
    expect(Number.isInteger(limit) && limit >= 1 && limit <= 1_000_000).toBe(true)
    expect(typeof help).toBe('boolean')
    well++
  }
  await leavesNothing((many) =>
    fc.assert(fc.property(fc.array(word, { maxLength: 6, size: 'max' }), read), { numRuns: many })
  )
  expect(well).toBeGreaterThan(0)
})
