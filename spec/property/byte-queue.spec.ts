import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteQueue } from '../../lib/bytes/byte-queue.ts'
import { runs } from './runs.ts'

// Few letters, so that what is looked for is often nearly there.
const text = fc.string({ unit: fc.constantFrom('a', 'a', 'a', 'b', 'b', '\n', '\0'), maxLength: 12 })
const chunk = fc.oneof(
  { weight: 6, arbitrary: text.map((letters) => Buffer.from(letters)) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.nat(1_500).map((size) => Buffer.alloc(size, 'ab')) }
)
const part = fc.double({ min: 0, max: 1, noNaN: true })
const needle = fc.string({ unit: fc.constantFrom('a', 'a', 'b', '\n'), minLength: 1, maxLength: 4 })

const action = fc.oneof(
  { weight: 5, arbitrary: fc.record({ does: fc.constant('push' as const), chunk }) },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant('drip' as const), times: fc.nat(300), letter: fc.constantFrom('a', 'b') })
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('unshift' as const), chunk }) },
  { weight: 5, arbitrary: fc.record({ does: fc.constant('take' as const), part }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('take few' as const), n: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('skip' as const), part }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('view' as const), from: part, n: fc.nat(50) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('indexOf' as const),
      byte: fc.constantFrom(0, 10, 97, 98, 99),
      from: part
    })
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('indexOfAll' as const), needle, from: part }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('takeList' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('clear' as const) }) }
)

describe('ByteQueue against one buffer', () => {
  it('gives the same bytes for every sequence of operations', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => {
        const queue = new ByteQueue()
        let model = Buffer.alloc(0)
        // What was handed out must never change afterwards.
        const handedOut: { bytes: Uint8Array; copy: Buffer }[] = []
        const same = (bytes: Uint8Array, expected: Buffer): void => {
          expect(Buffer.compare(bytes, expected)).toBe(0)
          handedOut.push({ bytes, copy: Buffer.from(expected) })
        }
        for (const step of actions) {
          switch (step.does) {
            case 'push':
              queue.push(Buffer.from(step.chunk))
              model = Buffer.concat([model, step.chunk])
              break
            case 'drip':
              for (let i = 0; i < step.times; i++) queue.push(Buffer.from(step.letter))
              model = Buffer.concat([model, Buffer.alloc(step.times, step.letter)])
              break
            case 'unshift':
              queue.unshift(Buffer.from(step.chunk))
              model = Buffer.concat([step.chunk, model])
              break
            case 'take':
            case 'take few': {
              const n = step.does === 'take' ? Math.round(step.part * model.length) : Math.min(step.n, model.length)
              same(queue.take(n), model.subarray(0, n))
              model = model.subarray(n)
              break
            }
            case 'skip': {
              const n = Math.round(step.part * model.length)
              queue.skip(n)
              model = model.subarray(n)
              break
            }
            case 'view': {
              same(queue.view(step.n), model.subarray(0, step.n))
              break
            }
            case 'indexOf': {
              const from = Math.round(step.from * model.length)
              expect(queue.indexOf(step.byte, from)).toBe(model.indexOf(step.byte, from))
              break
            }
            case 'indexOfAll': {
              const from = Math.round(step.from * model.length)
              const bytes = Buffer.from(step.needle)
              expect(queue.indexOfAll(bytes, from)).toBe(model.indexOf(bytes, from))
              break
            }
            case 'takeList': {
              const list = queue.takeList()
              expect(list.byteLength).toBe(model.length)
              same(list.subarray(), model)
              model = Buffer.alloc(0)
              break
            }
            case 'clear':
              queue.clear()
              model = Buffer.alloc(0)
          }
          expect(queue.length).toBe(model.length)
        }
        same(queue.view(model.length), model)
        same(queue.take(model.length), model)
        expect(queue.length).toBe(0)
        for (const { bytes, copy } of handedOut) expect(Buffer.compare(bytes, copy)).toBe(0)
      }),
      { numRuns: runs(400) }
    )
  })

  it('joins long runs of small chunks, whatever the sizes, so that they cost little memory', () => {
    const sizes = fc.array(
      fc.record({ size: fc.integer({ min: 1, max: 100 }), times: fc.integer({ min: 1, max: 400 }) }),
      {
        maxLength: 10
      }
    )
    fc.assert(
      fc.property(sizes, fc.nat(50), (series, taken) => {
        const queue = new ByteQueue()
        let pushed = 0
        let bytes = 0
        let next = 0
        for (const { size, times } of series) {
          for (let i = 0; i < times; i++) {
            queue.push(Buffer.alloc(size, next++ % 251))
            pushed++
            bytes += size
          }
          // A head that is taken from stays where it is while the rest is joined.
          const few = Math.min(taken, queue.length - 1)
          queue.take(few)
          bytes -= few
        }
        const list = queue.takeList()
        expect(list.byteLength).toBe(bytes)
        expect([...list].length).toBeLessThanOrEqual(pushed / 64 + 64 + series.length)
      }),
      { numRuns: runs(100) }
    )
  })

  it('keeps its order behind a head that lives long, through thousands of small chunks', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(700),
        (size, bite, backlog) => {
          const queue = new ByteQueue()
          queue.push(Buffer.alloc(3_000, 7))
          let written = 0
          let read = -3_000
          const expected = (at: number): number => (at < 0 ? 7 : at % 251)
          while (written < 5_000) {
            const chunk = Buffer.alloc(size)
            for (let i = 0; i < size; i++) chunk[i] = expected(written++)
            queue.push(chunk)
            while (queue.length > backlog + bite) {
              for (const byte of queue.take(bite))
                if (byte !== expected(read++)) throw new Error(`wrong byte at ${read - 1}`)
            }
          }
          for (const byte of queue.take(queue.length)) expect(byte).toBe(expected(read++))
          expect(read).toBe(written)
        }
      ),
      { numRuns: runs(30) }
    )
  })

  it('keeps its order when it forgets chunks that were taken', () => {
    const queue = new ByteQueue()
    const chunk = (i: number): Buffer => Buffer.alloc(512, i % 251)
    for (let i = 0; i < 1_000; i++) queue.push(chunk(i))
    for (let i = 0; i < 2_000; i++) {
      if (i < 1_000) queue.push(chunk(1_000 + i))
      expect(queue.take(512).equals(chunk(i))).toBe(true)
    }
    expect(queue.length).toBe(0)
  })

  it('leaves large chunks as they are', () => {
    const queue = new ByteQueue()
    const large = Array.from({ length: 40 }, () => Buffer.alloc(512))
    for (const chunk of large) {
      queue.push(chunk)
      for (let i = 0; i < 40; i++) queue.push(Buffer.from('x'))
    }
    const memory = new Set([...queue.takeList()].map(({ buffer }) => buffer))
    expect(large.every(({ buffer }) => memory.has(buffer))).toBe(true)
  })

  it('copies nothing that lies within one chunk', () => {
    const queue = new ByteQueue()
    const chunk = Buffer.from('a long chunk of its own')
    queue.push(chunk)
    expect(queue.view(6).buffer).toBe(chunk.buffer)
    expect(queue.view(6).byteOffset).toBe(chunk.byteOffset)
    expect(queue.take(2).byteOffset).toBe(chunk.byteOffset)
    expect(queue.takeList().subarray().byteOffset).toBe(chunk.byteOffset + 2)
    queue.push(chunk)
    expect(queue.take(chunk.length)).toBe(chunk)
  })
})
