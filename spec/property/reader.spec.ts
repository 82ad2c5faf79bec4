import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../lib/bytes/reader.ts'
import { microtasks } from '../support/turns.ts'
import { ask, type Question, ReaderModel, type Told, told, toldError } from './reader-model.ts'
import { runs } from './runs.ts'

const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('\n', '\n', '\r\n', '\r', '\n\n', 'a', 'b', 'aa', 'aab', 'aaab', 'abab', '\0', '\0\0')
  },
  { weight: 2, arbitrary: fc.constantFrom('é', '😀', 'ß\n', '漢字', '\u{1F469}\u200D\u{1F680}\r\n') },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('a', 'x', '\n', 'ab'), fc.nat(400))
      .map(([letters, times]) => letters.repeat(times))
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')) }
)
const input = fc.array(piece, { maxLength: 150, size: 'max' }).map((pieces) => Buffer.from(pieces.join('')))
const limit = fc.oneof(
  fc.integer({ min: 1, max: 12 }),
  fc.integer({ min: 1, max: 100 }),
  fc.constantFrom(undefined, Number.POSITIVE_INFINITY)
)
const delimiter = fc.constantFrom('\n', 'a', 'ab', 'aa', 'aab', 'abab', 'aaaa', '\r\n', '\0', 'é', '😀')
const size = fc.oneof(fc.nat(3), fc.nat(20), fc.nat(20), fc.nat(200))

const question: fc.Arbitrary<Question> = fc.oneof(
  fc.record({ ask: fc.constant('read' as const), n: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }) }),
  fc.record({ ask: fc.constant('readExactly' as const), n: size }),
  fc.record({ ask: fc.constant('readLine' as const), chomp: fc.boolean(), limit }),
  fc.record({ ask: fc.constant('readUntil' as const), delimiter, limit }),
  fc.record({ ask: fc.constant('peek' as const), n: size }),
  fc.record({ ask: fc.constant('readAll' as const), n: fc.oneof(fc.nat(30), fc.nat(30), fc.constant(undefined)) })
)

type LineQuestion = Extract<Question, { ask: 'readLine' }>

const action = fc.oneof(
  { weight: 10, arbitrary: fc.record({ does: fc.constant('push' as const), size }) },
  { weight: 10, arbitrary: fc.record({ does: fc.constant('pour' as const), size: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('drip' as const), size: fc.nat(150) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom('end' as const, 'fail' as const) }) },
  { weight: 24, arbitrary: fc.record({ does: fc.constant('ask' as const), question }) },
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constant('unread' as const), bytes: fc.oneof(piece, fc.constant('')) })
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('next batch' as const) }) },
  { weight: 6, arbitrary: fc.record({ does: fc.constant('next line' as const), chomp: fc.boolean(), limit }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant('leave' as const),
      loop: fc.constantFrom('batches' as const, 'lines' as const)
    })
  }
)

// Each try does without some of these, so that the others meet more often.
const optional = [
  'read',
  'readExactly',
  'readLine',
  'readUntil',
  'peek',
  'readAll',
  'unread',
  'next batch',
  'end',
  'fail'
]

/** An iteration that somebody has begun. */
interface Loop {
  readonly question: Question
  readonly iterator: AsyncIterableIterator<unknown>
  open: boolean
}

/** Reader and model, side by side. */
class Pair {
  readonly reader = new ByteReader()
  readonly model = new ReaderModel()
  readonly loops: { batches: Loop | undefined; lines: Loop | undefined } = { batches: undefined, lines: undefined }
  #waiting:
    | { readonly question: Question; readonly loop: Loop | undefined; readonly answer: { told: Told } }
    | undefined

  /** Something happened to the input: the read that waits, and only that, may have its answer now. */
  async fed(): Promise<void> {
    await microtasks()
    if (this.#waiting === undefined) return
    const { question, loop, answer } = this.#waiting
    const expected = this.#expected(question, loop)
    expect(answer.told).toBe(expected)
    if (expected !== undefined) this.#settled(loop, expected)
  }

  async ask(question: Question, loop?: Loop): Promise<void> {
    const busy = this.#waiting !== undefined
    const answer = this.#observe(
      loop === undefined ? ask(this.reader, question) : loop.iterator.next(),
      loop !== undefined
    )
    await microtasks()
    const closed = loop !== undefined && !loop.open
    const expected = closed ? 'done' : busy ? 'BusyError' : this.#expected(question, loop)
    expect(answer.told).toBe(expected)
    if (closed || busy) return
    this.#waiting = { question, loop, answer }
    if (expected !== undefined) this.#settled(loop, expected)
  }

  async next(which: 'batches' | 'lines', question: LineQuestion | { ask: 'batch' }): Promise<void> {
    let loop = this.loops[which]
    if (loop === undefined) {
      const iterator: AsyncIterableIterator<unknown> =
        question.ask === 'batch'
          ? this.reader[Symbol.asyncIterator]()
          : this.reader.lines({ chomp: question.chomp, ...(question.limit !== undefined && { limit: question.limit }) })
      loop = { question, iterator, open: true }
      this.loops[which] = loop
    }
    const wasOpen = loop.open
    await this.ask(loop.question, loop)
    if (!wasOpen) this.loops[which] = undefined
  }

  async leave(which: 'batches' | 'lines'): Promise<void> {
    const loop = this.loops[which]
    if (loop === undefined) return
    const left = this.#observe(loop.iterator.return?.() as Promise<unknown>, true)
    await microtasks()
    expect(left.told).toBe('done')
    loop.open = false
    if (this.#waiting?.loop !== loop) return
    expect(this.#waiting.answer.told).toBe('done')
    this.#waiting = undefined
  }

  unread(bytes: Buffer): void {
    if (this.#waiting === undefined) {
      this.reader.unread(Buffer.from(bytes))
      this.model.unread(bytes)
    } else expect(() => this.reader.unread(bytes)).toThrow(expect.objectContaining({ name: 'BusyError' }))
  }

  check(): void {
    expect(this.reader.length).toBe(this.model.rest.length)
    expect(this.reader.ended).toBe(this.model.ended)
    expect(this.reader.parked).toBe(this.#waiting !== undefined)
  }

  #expected(question: Question, loop: Loop | undefined): Told {
    const answer = this.model.answer(question)
    return loop !== undefined && answer === 'undefined' ? 'done' : answer
  }

  #settled(loop: Loop | undefined, answer: string): void {
    this.#waiting = undefined
    if (loop !== undefined && !answer.startsWith('bytes')) loop.open = false
  }

  #observe(promise: Promise<unknown>, iterated: boolean): { told: Told } {
    const answer: { told: Told } = { told: undefined }
    promise.then(
      (value) => {
        const result = value as IteratorResult<Uint8Array | { subarray(): Uint8Array }>
        if (!iterated) answer.told = told(value)
        else answer.told = result.done === true ? 'done' : told(result.value.subarray())
      },
      (error: unknown) => {
        answer.told = toldError(error as Error)
      }
    )
    return answer
  }
}

describe('ByteReader against one buffer and a position', () => {
  it('answers every question alike, however the input is cut and whenever it comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        input,
        fc.array(action, { maxLength: 100, size: 'max' }),
        fc.subarray(optional),
        async (bytes, actions, without) => {
          const pair = new Pair()
          const { reader, model } = pair
          let at = 0
          const push = (length: number): void => {
            const chunk = Buffer.from(bytes.subarray(at, at + length))
            at += chunk.length
            reader.push(chunk)
            model.push(chunk)
          }
          for (const step of actions) {
            if (without.includes(step.does === 'ask' ? step.question.ask : step.does)) continue
            switch (step.does) {
              case 'push':
                if (!model.over) push(step.size)
                await pair.fed()
                break
              case 'pour':
                while (reader.parked && !model.over && at < bytes.length) {
                  push(step.size)
                  await pair.fed()
                }
                break
              case 'drip':
                for (let i = 0; i < step.size && !model.over; i++) {
                  push(1)
                  await pair.fed()
                }
                break
              case 'end':
                if (model.over) break
                reader.end()
                model.end()
                await pair.fed()
                break
              case 'fail': {
                const error = new RangeError('the wire was cut')
                reader.fail(error)
                model.fail(error)
                await pair.fed()
                break
              }
              case 'ask':
                await pair.ask(step.question)
                break
              case 'unread':
                pair.unread(Buffer.from(step.bytes))
                break
              case 'next batch':
                await pair.next('batches', { ask: 'batch' })
                break
              case 'next line':
                await pair.next('lines', { ask: 'readLine', chomp: step.chomp, limit: step.limit })
                break
              case 'leave':
                await pair.leave(step.loop)
            }
            pair.check()
          }
          // Whatever happened, nothing was lost: the rest is there.
          if (!model.over) {
            push(bytes.length)
            reader.end()
            model.end()
            await pair.fed()
          }
          pair.check()
          await pair.ask({ ask: 'read', n: undefined })
          await pair.ask({ ask: 'readAll', n: undefined })
          pair.check()

          let idle = 0
          const open = [pair.loops.batches, pair.loops.lines].filter((loop) => loop?.open === true)
          reader.whenIdle(() => idle++)
          for (const loop of open) {
            expect(idle).toBe(0)
            await loop?.iterator.return?.()
          }
          expect(idle).toBe(1)
        }
      ),
      { numRuns: runs(400) }
    )
  })

  it('reads the same lines and fields whichever way the input was cut', async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(input, cuts, fc.boolean(), async (bytes, sizes, chomp) => {
        const lines: string[] = []
        const reader = new ByteReader()
        const reading = (async () => {
          for await (const line of reader.lines({ chomp, limit: Number.POSITIVE_INFINITY }))
            lines.push(line.toString('latin1'))
        })()
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = sizes[i % sizes.length] ?? 1
          reader.push(Buffer.from(bytes.subarray(at, at + length)))
          at += length
          await microtasks(i % 3)
        }
        reader.end()
        await reading
        const expected = bytes.toString('latin1').match(/[^\n]*\n|[^\n]+$/g) ?? []
        expect(lines).toEqual(chomp ? expected.map((line) => line.replace(/\r?\n$/, '')) : [...expected])
      }),
      { numRuns: runs(200) }
    )
  })
})

describe('flow control of a ByteReader', () => {
  // A read that may ask for more than the mark.
  const wanted = fc.integer({ min: 1, max: 300 })
  const flowAction = fc.oneof(
    { weight: 6, arbitrary: fc.record({ does: fc.constant('push' as const), n: fc.integer({ min: 0, max: 80 }) }) },
    { weight: 2, arbitrary: fc.record({ does: fc.constant('read' as const), n: fc.integer({ min: 1, max: 60 }) }) },
    { weight: 2, arbitrary: fc.record({ does: fc.constant('readLine' as const), n: wanted }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('readExactly' as const), n: wanted }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('peek' as const), n: wanted }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('readAll' as const), n: wanted }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('batch' as const), n: fc.constant(1) }) }
  )

  it('stops the peer at the mark, starts it again at half of it, and always while a read waits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 200 }),
        fc.array(flowAction, { maxLength: 80, size: 'max' }),
        async (mark, actions) => {
          let flowing = false
          let waits = 0
          const reader = new ByteReader({
            resume: () => {
              expect(flowing).toBe(false)
              flowing = true
            },
            waits: () => waits++
          })
          reader.highWaterMark = mark
          const batches = reader[Symbol.asyncIterator]()
          let count = 0
          let asked = 0
          for (const { does, n } of actions) {
            if (does === 'push') {
              if (!flowing) continue
              const chunk = Buffer.from(Array.from({ length: n }, () => (++count % 37 === 0 ? 10 : 97)))
              const more = reader.push(chunk)
              expect(reader.length).toBeLessThan(Math.max(mark, asked) + Math.max(n, 1))
              if (reader.parked) expect(more).toBe(true)
              else expect(more).toBe(reader.length < mark)
              flowing = more
              if (!reader.parked) asked = 0
              await microtasks()
              continue
            }
            if (reader.parked) continue
            const before = { flowing, waits }
            let failed = false
            const reading =
              does === 'batch'
                ? batches.next()
                : does === 'readLine' || does === 'readAll'
                  ? reader[does]({ limit: n })
                  : reader[does](n)
            reading.catch(() => {
              failed = true
            })
            await microtasks()
            if (reader.parked) {
              // What is held may grow up to what was asked for.
              asked = does === 'readAll' ? n + 1 : n
              expect(flowing).toBe(true)
              expect(waits).toBe(before.waits + 1)
            } else {
              expect(waits).toBe(before.waits)
              if (!failed) expect(flowing).toBe(before.flowing || reader.length * 2 <= mark)
            }
          }
        }
      ),
      { numRuns: runs(400) }
    )
  })

  it('hands everything over to a slow reader without ever holding more than the mark and a chunk', async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 })
    await fc.assert(
      fc.asyncProperty(input, cuts, cuts, fc.integer({ min: 1, max: 100 }), async (bytes, sizes, bites, mark) => {
        let flowing = false
        let at = 0
        let chunks = 0
        let most = 0
        const reader = new ByteReader({
          resume: () => {
            flowing = true
            queueMicrotask(pour)
          },
          waits: () => {}
        })
        reader.highWaterMark = mark
        function pour(): void {
          while (flowing) {
            const length = sizes[chunks++ % sizes.length] ?? 1
            const chunk = Buffer.from(bytes.subarray(at, at + length))
            at += chunk.length
            if (chunk.length === 0) {
              flowing = false
              reader.end()
              return
            }
            flowing = reader.push(chunk)
            most = Math.max(most, reader.length)
          }
        }
        const read: Buffer[] = []
        for (let i = 0; ; i++) {
          const some = await reader.read(bites[i % bites.length])
          if (some === undefined) break
          read.push(some)
          await microtasks(i % 4)
        }
        expect(Buffer.concat(read).equals(bytes)).toBe(true)
        expect(most).toBeLessThan(mark + Math.max(...sizes))
        expect(reader.ended).toBe(true)
      }),
      { numRuns: runs(200) }
    )
  })
})
