import { isIP } from 'node:net'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  decodeAddress,
  encodeInternet,
  encodeUnix
} from '../../../lib/accept/native/sockaddr.ts'
import { type Address, formatAddress } from '../../../lib/index.ts'
import { leavesNothing } from './fuzz.ts'
import { anyBytes, mutated } from './mutated.ts'

const family = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(AF_UNIX, AF_INET, AF_INET6) },
  { weight: 1, arbitrary: fc.nat(0xffff) }
)
const head = (number: number): Buffer => Buffer.from([number & 0xff, number >> 8])

// What a kernel may say, and what none says: any length, any family, and addresses that were well.
const said = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(family, anyBytes(126)).map(([number, rest]) => Buffer.concat([head(number), rest]))
  },
  { weight: 1, arbitrary: anyBytes(128) },
  {
    weight: 3,
    arbitrary: mutated(
      fc.constantFrom(
        encodeInternet('127.0.0.1', 80),
        encodeInternet('2001:db8::1', 443),
        encodeInternet('fe80::1%1', 1),
        encodeInternet('::ffff:1.2.3.4', 1),
        encodeUnix('/run/app.sock'),
        encodeUnix('\0abstract\0name')
      )
    )
  }
)

/** Eight numbers of an IPv6 address as it was written, by somebody else's rules. */
function numbersOf(host: string): number[] {
  const [text = ''] = host.split('%')
  const plain = new URL(`http://[${text}]`).hostname.slice(1, -1)
  const [before = '', after] = plain.split('::')
  const part = (half: string): number[] => (half === '' ? [] : half.split(':').map((hex) => Number.parseInt(hex, 16)))
  const [first, last] = [part(before), part(after ?? '')]
  return after === undefined ? first : [...first, ...Array(8 - first.length - last.length).fill(0), ...last]
}

/** What the bytes say, by the manual of each family. */
function check(bytes: Buffer, address: Address): void {
  const number = bytes.length < 2 ? AF_UNIX : bytes.readUInt16LE(0)
  const isWhole = (number === AF_INET && bytes.length >= 16) || (number === AF_INET6 && bytes.length >= 28)
  if (address.family === 'unix') {
    expect(isWhole).toBe(false)
    const text = bytes.toString('latin1', 2)
    const name = number !== AF_UNIX ? '' : text.startsWith('\0') ? text : (text.split('\0')[0] ?? '')
    expect(address.path).toBe(Buffer.from(name, 'latin1').toString())
    return
  }
  expect(isWhole).toBe(true)
  expect(address.port).toBe(((bytes[2] as number) << 8) | (bytes[3] as number))
  if (number === AF_INET) {
    expect(address).toMatchObject({ family: 'IPv4', host: Array.from(bytes.subarray(4, 8)).join('.') })
    return
  }
  expect(address.family).toBe('IPv6')
  expect(isIP(address.host)).toBe(6)
  expect(numbersOf(address.host)).toEqual(Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(8 + 2 * i)))
  expect(address.host.includes('%')).toBe(bytes.readUInt32LE(24) !== 0)
}

it('tells whose address it is, or nobody’s, whatever the bytes are', async () => {
  await leavesNothing((many) =>
    fc.assert(
      fc.property(said, (bytes) => {
        check(bytes, decodeAddress(bytes, bytes.length))
      }),
      { numRuns: many }
    )
  )
})

it('reads no more than counts, and no more than there is', async () => {
  await leavesNothing(
    (many) =>
      fc.assert(
        fc.property(said, fc.nat(200), (bytes, length) => {
          // What stands behind it is of others.
          const room = Buffer.concat([bytes.subarray(0, length), Buffer.alloc(40, 0xee)])
          const counts = Math.min(length, bytes.length)
          expect(decodeAddress(room, counts)).toEqual(decodeAddress(bytes.subarray(0, length), length))
        }),
        { numRuns: many }
      ),
    0.2
  )
})

it('says each address so that it can be told from others', async () => {
  const address: fc.Arbitrary<Address> = fc.oneof(
    fc.record({ family: fc.constant('IPv4' as const), host: fc.ipV4(), port: fc.nat(65_535) }),
    fc.record({ family: fc.constant('IPv6' as const), host: fc.ipV6(), port: fc.nat(65_535) }),
    fc.record({ family: fc.constant('unix' as const), path: fc.string({ minLength: 1 }).map((text) => `/${text}`) }),
    fc.record({ family: fc.constant('unix' as const), path: fc.string().map((text) => `\0${text}`) })
  )
  await leavesNothing((many) =>
    fc.assert(
      fc.property(address, (one) => {
        const text = formatAddress(one)
        if (one.family === 'unix') expect(text).toBe(one.path.replace(/^\0/, '@'))
        else {
          const at = text.lastIndexOf(':')
          const host = text.slice(0, at)
          expect(Number(text.slice(at + 1))).toBe(one.port)
          expect(one.family === 'IPv6' ? host.replace(/^\[(.*)\]$/, '$1') : host).toBe(one.host)
          expect(host.startsWith('[')).toBe(one.family === 'IPv6')
        }
      }),
      { numRuns: many }
    )
  )
})
