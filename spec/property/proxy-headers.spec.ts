import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeaderParser } from '../../lib/accept/proxy/header-parser.ts'
import { ProxyProtocolError } from '../../lib/index.ts'
import { binary, crc32c, signature, sslTLV, tlv } from '../support/proxy-headers.ts'
import { runs } from './runs.ts'

// Each header is tried in so many variations: 100,000 and more of each version.
const variations = 100
const limit = 512

/** Numbers below a bound, the same for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed | 0
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

type Numbers = ReturnType<typeof numbers>

const words = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '  ',
  '0',
  '65535',
  '65536',
  ':',
  '::',
  '.',
  '%',
  '+',
  '\0',
  '\xff',
  'TCP4 ',
  'TCP6 ',
  'UNKNOWN',
  'PROXY ',
  'x'.repeat(50)
]

/** The bytes, with a few things done to them. */
function varied(bytes: Buffer, next: Numbers): Buffer {
  let result = bytes
  for (let left = next(4); left > 0; left--) {
    const at = next(result.length + 1)
    const end = Math.min(result.length, at + 1 + next(4))
    const [before, after] = [result.subarray(0, at), result.subarray(at)]
    switch (next(6)) {
      case 0:
        result = Buffer.from(result)
        if (at < result.length) result[at] = (result[at] as number) ^ (1 << next(8))
        break
      case 1:
        result = Buffer.from(result)
        if (at < result.length) result[at] = next(256)
        break
      case 2:
        result = Buffer.concat([before, Buffer.from(words[next(words.length)] as string, 'latin1'), after])
        break
      case 3:
        result = Buffer.concat([before, result.subarray(end)])
        break
      case 4:
        result = Buffer.concat([before, result.subarray(at, end), after])
        break
      default:
        result = next(4) === 0 ? before : result
    }
  }
  return result
}

interface Result {
  readonly taken: number
  /** Nothing where it is not complete. */
  readonly header?: string
  readonly error?: string
}

/** What becomes of the bytes, cut into chunks of these sizes. */
function parse(bytes: Buffer, size: (left: number) => number): Result {
  const parser = new HeaderParser(limit)
  let taken = 0
  try {
    for (let at = 0; at < bytes.length && (at === 0 || parser.missing > 0); ) {
      const chunk = Buffer.from(bytes.subarray(at, at + size(bytes.length - at)))
      const { missing } = parser
      const part = parser.push(chunk)
      if (part > missing) throw new Error(`${part} bytes were taken of ${missing} that were missing`)
      if (part < chunk.length && parser.missing > 0) throw new Error('Bytes were left, and more are wanted')
      taken += part
      at += chunk.length
      // Its memory is somebody else's.
      chunk.fill(0xee)
    }
  } catch (error) {
    if (!(error instanceof ProxyProtocolError) || error.reason !== 'malformed') throw error
    return { taken: -1, error: error.message }
  }
  const { header } = parser
  if ((header === undefined) !== parser.missing > 0) throw new Error('It is complete and is not')
  return header === undefined ? { taken } : { taken, header: JSON.stringify(header) }
}

function check(bytes: Buffer, next: Numbers, expected: 'wrong' | 'not yet' | number): void {
  const result = parse(bytes, (left) => left)
  const outcome = result.error === undefined ? (result.header === undefined ? 'not yet' : result.taken) : 'wrong'
  if (outcome !== expected) throw new Error(`${JSON.stringify(bytes.toString('latin1'))}: ${outcome}, not ${expected}`)
  same(parse(bytes, next(8) === 0 ? () => 1 : (left) => 1 + next(left)), result)
  if (typeof expected !== 'number') return
  // Nothing behind it counts.
  const followed = Buffer.concat([bytes.subarray(0, expected), Buffer.from([next(256), next(256)])])
  same(
    parse(followed, (left) => left),
    result
  )
}

// `expect` costs more than all the rest.
function same(result: Result, expected: Result): void {
  const { taken, header, error } = expected
  if (result.taken !== taken || result.header !== header || result.error !== error) expect(result).toEqual(expected)
}

const port = /^(0|[1-9][0-9]{0,4})$/

/** Version 1 by another way: the line as a whole. */
function lineOutcome(bytes: Buffer): 'wrong' | 'not yet' | number {
  const text = bytes.toString('latin1', 0, 107)
  const beginning = 'PROXY '.slice(0, text.length)
  if (!text.startsWith(beginning)) return 'wrong'
  const end = text.search(/[\r\n]/)
  if (end === -1) return text.length < 107 ? 'not yet' : 'wrong'
  if (end === text.length - 1 && text.endsWith('\r') && text.length < 107) return 'not yet'
  if (text.slice(end, end + 2) !== '\r\n') return 'wrong'
  const line = text.slice('PROXY '.length, end)
  const isUnknown = line === 'UNKNOWN' || line.startsWith('UNKNOWN ')
  const [protocol, source = '', destination = '', from = '', to = '', ...more] = line.split(' ')
  const isIP = (address: string): boolean =>
    protocol === 'TCP4' ? isIPv4(address) : protocol === 'TCP6' && isIPv6(address) && !address.includes('%')
  const isPort = (given: string): boolean => port.test(given) && Number(given) <= 65_535
  const isWhole = more.length === 0 && isIP(source) && isIP(destination) && isPort(from) && isPort(to)
  return isUnknown || isWhole ? end + 2 : 'wrong'
}

/** The TLVs, where they fill their room. */
function tlvsOf(bytes: Buffer): [type: number, value: Buffer][] | undefined {
  if (bytes.length === 0) return []
  if (bytes.length < 3) return undefined
  const size = 3 + bytes.readUInt16BE(1)
  const rest = size > bytes.length ? undefined : tlvsOf(bytes.subarray(size))
  return rest === undefined ? undefined : [[bytes[0] as number, bytes.subarray(3, size)], ...rest]
}

const once = [0x01, 0x02, 0x03, 0x05, 0x20, 0x30]
const onceOfSSL = [0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28]

function isUTF8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString()).equals(bytes)
}

function tlvsAreWell(header: Buffer, from: number): boolean {
  const tlvs = tlvsOf(header.subarray(from))
  if (tlvs === undefined) return false
  const [first, count] = [
    (type: number): Buffer | undefined => tlvs.find((given) => given[0] === type)?.[1],
    (type: number): number => tlvs.filter((given) => given[0] === type).length
  ]
  if (once.some((type) => count(type) > 1)) return false
  const [sum, authority, id, ssl] = [first(3), first(2), first(5), first(0x20)]
  if (sum !== undefined) {
    if (sum.length !== 4) return false
    const copy = Buffer.from(header)
    copy.fill(0, sum.byteOffset - header.byteOffset, sum.byteOffset - header.byteOffset + 4)
    if (crc32c(copy) !== sum.readUInt32BE()) return false
  }
  if (authority !== undefined && !isUTF8(authority)) return false
  if (id !== undefined && id.length > 128) return false
  if (ssl === undefined) return true
  const inner = ssl.length < 5 ? undefined : tlvsOf(ssl.subarray(5))
  if (inner === undefined) return false
  if (onceOfSSL.some((type) => inner.filter((given) => given[0] === type).length > 1)) return false
  return inner.every(([type, value]) => type !== 0x22 || isUTF8(value))
}

const sizes: Record<number, number> = { 0: 0, 17: 12, 33: 36, 49: 216 }

/** Version 2 by another way: the header as a whole. */
function binaryOutcome(bytes: Buffer): 'wrong' | 'not yet' | number {
  const known = Math.min(bytes.length, 12)
  if (!bytes.subarray(0, known).equals(signature.subarray(0, known))) return 'wrong'
  if (bytes.length > 12 && bytes[12] !== 0x20 && bytes[12] !== 0x21) return 'wrong'
  if (bytes.length < 16) return 'not yet'
  const size = 16 + bytes.readUInt16BE(14)
  if (size > limit) return 'wrong'
  if (bytes.length < size) return 'not yet'
  if (bytes[12] === 0x20) return size
  const block = sizes[bytes[13] as number]
  if (block === undefined || 16 + block > size) return 'wrong'
  return tlvsAreWell(bytes.subarray(0, size), 16 + block) ? size : 'wrong'
}

const anyPort = fc.oneof(fc.constantFrom(0, 1, 443, 65_535), fc.nat(65_535))
const line = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constant('TCP4'), fc.ipV4(), fc.ipV4(), anyPort, anyPort).map((all) => all.join(' '))
  },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constant('TCP6'), fc.ipV6(), fc.ipV6(), anyPort, anyPort).map((all) => all.join(' '))
  },
  { weight: 1, arbitrary: fc.constantFrom('UNKNOWN', 'UNKNOWN ff 1', '') }
)

const value = fc.oneof(
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: 'grapheme', maxLength: 10 }).map((letters) => Buffer.from(letters))
)
const anyTLV = fc.oneof(
  fc.tuple(fc.constantFrom(0x01, 0x02, 0x04, 0x05, 0x30, 0xe0, 0xff), value).map(([type, bytes]) => tlv(type, bytes)),
  fc
    .tuple(
      fc.nat(7),
      fc.nat(1),
      fc.uniqueArray(fc.constantFrom(...onceOfSSL), { maxLength: 3 }),
      fc.string({ maxLength: 9 })
    )
    .map(([flags, verify, types, letters]) => sslTLV(flags, verify, ...types.map((type) => tlv(type, letters))))
)
const header = fc
  .record({
    command: fc.constantFrom(0x21, 0x21, 0x21, 0x20),
    family: fc.constantFrom(0x11, 0x21, 0x31, 0x00),
    seed: fc.nat(),
    tlvs: fc.array(anyTLV, { maxLength: 4 }),
    summed: fc.boolean()
  })
  .map(({ command, family, seed, tlvs, summed }) => {
    const next = numbers(seed)
    const block = Buffer.from(Array.from({ length: sizes[family] as number }, () => next(256)))
    return binary({ command, family, block, tlvs, summed })
  })

/** The same length and checksum, made to fit again: the variation is not found out at once. */
function mended(bytes: Buffer, next: Numbers): Buffer {
  if (next(2) === 0 || bytes.length < 16) return bytes
  const copy = Buffer.from(bytes)
  copy.writeUInt16BE(copy.length - 16, 14)
  const sum = copy.lastIndexOf(Buffer.from([3, 0, 4]))
  if (sum < 16 || sum + 7 > copy.length) return copy
  copy.writeUInt32BE(0, sum + 3)
  copy.writeUInt32BE(crc32c(copy), sum + 3)
  return copy
}

describe('PROXY headers, however they are cut', () => {
  it('of version 1 are read, or refused, as one line is', () => {
    const seen = { wrong: 0, 'not yet': 0, read: 0 }
    fc.assert(
      fc.property(line, fc.nat(), (text, seed) => {
        const next = numbers(seed)
        const whole = Buffer.from(`PROXY ${text}\r\n`)
        for (let i = 0; i < variations; i++) {
          // Another version begins with another byte.
          const bytes = Buffer.concat([Buffer.from('P'), varied(whole, next).subarray(1)])
          const expected = lineOutcome(bytes)
          seen[typeof expected === 'number' ? 'read' : expected]++
          check(bytes, next, expected)
        }
      }),
      { numRuns: runs(1_010) }
    )
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(variations)
  })

  it('of version 2 are read, or refused, as one block is', () => {
    const seen = { wrong: 0, 'not yet': 0, read: 0 }
    fc.assert(
      fc.property(header, fc.nat(), (whole, seed) => {
        const next = numbers(seed)
        for (let i = 0; i < variations; i++) {
          const kept = next(2) === 0 ? 16 : 0
          const rest = varied(whole.subarray(kept), next)
          const bytes = mended(Buffer.concat([whole.subarray(0, kept), rest]), next)
          if (bytes[0] !== signature[0]) continue
          const expected = binaryOutcome(bytes)
          seen[typeof expected === 'number' ? 'read' : expected]++
          check(bytes, next, expected)
        }
      }),
      { numRuns: runs(1_100) }
    )
    const tried = seen.wrong + seen['not yet'] + seen.read
    if (runs(1_100) === 1_100) expect(tried).toBeGreaterThan(100_000)
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(variations)
  })

  it('that are well are read the same, cut at every byte', () => {
    const whole = fc.oneof(
      line.filter((text) => text !== '').map((text) => Buffer.from(`PROXY ${text}\r\n`)),
      header
    )
    fc.assert(
      fc.property(whole, (bytes) => {
        const result = parse(bytes, (left) => left)
        for (let cut = 1; cut < bytes.length; cut++) {
          let first = true
          const size = (left: number): number => {
            const given = first ? cut : left
            first = false
            return given
          }
          expect(parse(bytes, size)).toEqual(result)
        }
      }),
      { numRuns: runs(100) }
    )
  })

  it('of any bytes at all are read, or refused, and never worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(), (given, seed) => {
        const next = numbers(seed)
        const bytes = Buffer.concat([[Buffer.alloc(0), signature, Buffer.from('PROXY ')][next(3)] as Buffer, given])
        expect(parse(bytes, () => 1)).toEqual(parse(bytes, (left) => left))
      }),
      { numRuns: runs(5_000) }
    )
  })
})
