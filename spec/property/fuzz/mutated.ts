import fc from 'fast-check'

/** A change to some bytes. */
type Change =
  | { readonly does: 'set'; readonly at: number; readonly byte: number }
  | { readonly does: 'flip'; readonly at: number; readonly bit: number }
  | { readonly does: 'cut'; readonly at: number }
  | { readonly does: 'drop'; readonly at: number; readonly many: number }
  | { readonly does: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly does: 'repeat'; readonly at: number; readonly many: number; readonly times: number }

const at = fc.nat(0xffff)
// Those that numbers and lengths turn over at, and those that texts are made of.
const byte = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 9, 10, 13, 0x7f, 0x80, 0xfe, 0xff, 0x22, 0x30, 0x5b, 0x7b),
  fc.nat(255)
)

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant('set' as const), at, byte }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('flip' as const), at, bit: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('cut' as const), at }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('drop' as const), at, many: fc.integer({ min: 1, max: 8 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant('insert' as const), at, bytes: fc.uint8Array({ maxLength: 8 }) })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('repeat' as const),
      at,
      many: fc.integer({ min: 1, max: 16 }),
      times: fc.integer({ min: 1, max: 20 })
    })
  }
)

function changed(bytes: Buffer, does: Change): Buffer {
  const place = bytes.length === 0 ? 0 : does.at % bytes.length
  switch (does.does) {
    case 'set': {
      const copy = Buffer.from(bytes)
      copy[place] = does.byte
      return copy
    }
    case 'flip': {
      const copy = Buffer.from(bytes)
      copy[place] = (copy[place] ?? 0) ^ (1 << does.bit)
      return copy
    }
    case 'cut':
      return bytes.subarray(0, place)
    case 'drop':
      return Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + does.many)])
    case 'insert':
      return Buffer.concat([bytes.subarray(0, place), does.bytes, bytes.subarray(place)])
    case 'repeat': {
      const again = bytes.subarray(place, place + does.many)
      return Buffer.concat([bytes.subarray(0, place), ...Array(does.times).fill(again), bytes.subarray(place)])
    }
  }
}

/** Bytes that were well, and are not any more: a byte here, a length there; some are well still. */
export function mutated(bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(bytes, fc.array(change, { maxLength: 4, size: 'max' }))
    .map(([whole, changes]) => changes.reduce(changed, whole))
}

/** Bytes of any kind. */
export function anyBytes(maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength, size: 'max' }).map((bytes) => Buffer.from(bytes))
}
