import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ByteReader } from '../../../lib/bytes/reader.ts'
import { microtasks } from '../../support/turns.ts'
import { ask, type Question, ReaderModel, type Told, told, toldError } from '../reader-model.ts'
import { leavesNothing } from './fuzz.ts'
import { anyBytes, mutated } from './mutated.ts'

const text = fc
  .array(
    fc.constantFrom('GET / HTTP/1.1\r\n', '\r\n', '\n', '\r', 'a', 'ab', 'aab', '\0', '\0\0', 'ü', 'x'.repeat(70)),
    {
      maxLength: 8,
      size: 'max'
    }
  )
  .map((pieces) => Buffer.from(pieces.join('')))
const input = fc.oneof({ weight: 4, arbitrary: mutated(text) }, { weight: 1, arbitrary: anyBytes(60) })
const cuts = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 6 })
const limit = fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constantFrom(undefined, 2 ** 40, Number.POSITIVE_INFINITY))
const delimiter = fc.constantFrom('\n', '\r\n', 'a', 'aab', '\0\0', 'ü', 'ab\n', 'x'.repeat(50))
const question: fc.Arbitrary<Question> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ ask: fc.constant('readLine' as const), chomp: fc.boolean(), limit }) },
  { weight: 3, arbitrary: fc.record({ ask: fc.constant('readUntil' as const), delimiter, limit }) },
  { weight: 1, arbitrary: fc.record({ ask: fc.constantFrom('readExactly' as const, 'peek' as const), n: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ ask: fc.constant('read' as const), n: fc.integer({ min: 1, max: 30 }) }) }
)

/** The bytes, in pieces of these sizes, again and again. */
function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer, void> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    // One of no bytes at all is no end.
    const size = sizes[i % sizes.length] || i % 2
    yield Buffer.from(bytes.subarray(at, at + size))
    at += size
  }
}

interface Answer {
  told: Told
}

function observed(promise: Promise<unknown>): Answer {
  const answer: Answer = { told: undefined }
  promise.then(
    (value) => {
      answer.told = told(value)
    },
    (error: unknown) => {
      answer.told = toldError(error as Error)
    }
  )
  return answer
}

it('answers each question as soon as it can, of any bytes, however they are cut', async () => {
  await leavesNothing((many) =>
    fc.assert(
      fc.asyncProperty(
        input,
        cuts,
        fc.array(question, { minLength: 1, maxLength: 6 }),
        async (bytes, sizes, questions) => {
          const reader = new ByteReader()
          const model = new ReaderModel()
          const chunks = cut(bytes, sizes)
          for (const one of questions) {
            const answer = observed(ask(reader, one))
            let expected = model.answer(one)
            while (expected === undefined) {
              const { done, value } = chunks.next()
              if (done === true) {
                reader.end()
                model.end()
              } else {
                reader.push(value)
                model.push(value)
              }
              expected = model.answer(one)
            }
            await microtasks(1)
            if (answer.told !== expected) expect(answer.told).toBe(expected)
            if (reader.length !== model.rest.length) expect(reader.length).toBe(model.rest.length)
          }
        }
      ),
      { numRuns: many }
    )
  )
})

it('gives the same lines to a loop, up to one that is too long', async () => {
  await leavesNothing(
    (many) =>
      fc.assert(
        fc.asyncProperty(input, cuts, limit, fc.boolean(), async (bytes, sizes, most, chomp) => {
          const reader = new ByteReader()
          const lines: string[] = []
          const reading = (async () => {
            const options = most === undefined ? { chomp } : { chomp, limit: most }
            for await (const line of reader.lines(options)) lines.push(line.toString('latin1'))
            return 'done'
          })().catch((error: unknown) => (error as Error).name)
          for (const chunk of cut(bytes, sizes)) reader.push(chunk)
          reader.end()
          const found = bytes.toString('latin1').match(/[^\n]*\n|[^\n]+$/g) ?? []
          const length = (line: string): number => line.replace(/\n$/, '').length
          const bound = most ?? 65_536
          const tooLong = found.findIndex((line) =>
            line.endsWith('\n') ? length(line) > bound - 1 : length(line) >= bound
          )
          const ended = await reading
          const due = tooLong === -1 ? found : found.slice(0, tooLong)
          expect(lines).toEqual(due.map((line) => (chomp ? line.replace(/\r?\n$/, '') : line)))
          expect(ended).toBe(tooLong === -1 ? 'done' : 'LimitExceededError')
        }),
        { numRuns: many }
      ),
    0.25
  )
})
