import fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { appendBuffers, joined, toBuffer } from '../../lib/bytes/to-buffer.ts'
import type { Writable } from '../../lib/wfile.ts'
import { runs } from '../property/runs.ts'

describe('toBuffer', () => {
  it('gives text as UTF-8', () => {
    expect(toBuffer('naïve 漢字 😀')).toEqual(Buffer.from('naïve 漢字 😀', 'utf8'))
    expect(toBuffer('')).toEqual(Buffer.alloc(0))
  })

  it('gives the same Buffer back', () => {
    const bytes = Buffer.from('bytes')
    expect(toBuffer(bytes)).toBe(bytes)
  })

  it('looks at the same memory of other bytes, and at no more of it', () => {
    const memory = new Uint8Array([1, 2, 3, 4, 5])
    const buffer = toBuffer(memory.subarray(1, 4))
    expect(Buffer.isBuffer(buffer)).toBe(true)
    expect([...buffer]).toEqual([2, 3, 4])
    memory[2] = 9
    expect([...buffer]).toEqual([2, 9, 4])
  })

  it('copies a list only where it is several chunks', () => {
    const chunk = new Uint8Array([1, 2])
    expect(toBuffer(new Uint8ArrayList(chunk)).buffer).toBe(chunk.buffer)
    expect([...toBuffer(new Uint8ArrayList(chunk, new Uint8Array(0), Buffer.from([3])))]).toEqual([1, 2, 3])
    expect(toBuffer(new Uint8ArrayList()).length).toBe(0)
  })

  it('takes nothing but bytes and text', () => {
    const wrong = [
      undefined,
      null,
      0,
      7n,
      true,
      [1, 2],
      {},
      { length: 2, 0: 1 },
      new ArrayBuffer(2),
      new DataView(new ArrayBuffer(2)),
      Symbol('s')
    ]
    for (const value of [...wrong, new Uint16Array(2), () => 'text', new Date(0), new String('text')]) {
      expect(() => toBuffer(value as never)).toThrow(TypeError)
      const chunks: Uint8Array[] = []
      expect(() => appendBuffers(value as never, chunks)).toThrow(
        /^Cannot write .+: give bytes or a string( \(is an await missing\?\))?$/
      )
      expect(chunks).toEqual([])
    }
  })
})

describe('appendBuffers', () => {
  const bytes = fc.uint8Array({ maxLength: 20 })
  const writable: fc.Arbitrary<Writable> = fc.oneof(
    bytes,
    fc.string({ unit: 'binary', maxLength: 10 }),
    bytes.map((part) => Buffer.from(part)),
    fc.array(bytes, { maxLength: 4 }).map((parts) => new Uint8ArrayList(...parts))
  )

  it('appends all that is given, in order, without empty chunks, and counts it', () => {
    fc.assert(
      fc.property(fc.array(writable, { maxLength: 8 }), (writes) => {
        const chunks: Uint8Array[] = []
        let counted = 0
        for (const write of writes) counted += appendBuffers(write, chunks)
        const expected = Buffer.concat(
          writes.map((write) => (typeof write === 'string' ? Buffer.from(write) : Buffer.from(write.slice())))
        )
        expect(joined(chunks).equals(expected)).toBe(true)
        expect(counted).toBe(expected.length)
        expect(chunks.every(({ length }) => length > 0)).toBe(true)
      }),
      { numRuns: runs(200) }
    )
  })
})
