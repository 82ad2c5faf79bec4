import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  decodeAddress,
  encodeInternet,
  encodeUnix,
  longestSockaddr
} from '../../../lib/accept/native/sockaddr.ts'
import { longestPath } from '../../../lib/accept/unix/unix-path.ts'
import { runs } from '../../property/runs.ts'

const many = { numRuns: runs(200) }

const port = fc.integer({ min: 0, max: 65_535 })
const decoded = (bytes: Buffer) => decodeAddress(bytes, bytes.length)
const name = (most: number) =>
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: most })
    .filter((text) => !text.includes('\0') && Buffer.byteLength(text) <= most)

describe('the kernel’s form of an address', () => {
  it('keeps any IPv4 address', () => {
    fc.assert(
      fc.property(fc.ipV4(), port, (host, number) => {
        const bytes = encodeInternet(host, number)
        expect(bytes.length).toBe(16)
        expect(bytes.readUInt16LE(0)).toBe(AF_INET)
        expect(decoded(bytes)).toEqual({ family: 'IPv4', host, port: number })
      }),
      many
    )
  })

  it('keeps any IPv6 address', () => {
    fc.assert(
      fc.property(fc.ipV6(), port, (host, number) => {
        const bytes = encodeInternet(host, number)
        expect(bytes.length).toBe(28)
        expect(bytes.readUInt16LE(0)).toBe(AF_INET6)
        const address = decoded(bytes)
        if (address.family === 'unix') throw new Error('not an IP address')
        expect(address).toMatchObject({ family: 'IPv6', port: number })
        expect(isIP(address.host)).toBe(6)
        // What it says is what it was made from, and says the same again.
        expect(encodeInternet(address.host, number)).toEqual(bytes)
      }),
      many
    )
  })

  it('keeps the zone of an IPv6 address, by name and by number', () => {
    const names = Object.keys(networkInterfaces())
    fc.assert(
      fc.property(fc.constantFrom(...names), port, (zone, number) => {
        const host = `fe80::1%${zone}`
        const bytes = encodeInternet(host, number)
        expect(bytes.readUInt32LE(24)).toBeGreaterThan(0)
        expect(decoded(bytes)).toEqual({ family: 'IPv6', host, port: number })
        expect(encodeInternet(`fe80::1%${bytes.readUInt32LE(24)}`, number)).toEqual(bytes)
      }),
      many
    )
    const unnamed = encodeInternet('fe80::1%4000000', 1)
    expect(decoded(unnamed)).toEqual({ family: 'IPv6', host: 'fe80::1%4000000', port: 1 })
  })

  it('keeps any path, and closes it by a NUL', () => {
    fc.assert(
      fc.property(name(longestPath), (path) => {
        const bytes = encodeUnix(path)
        expect(bytes.length).toBe(2 + Buffer.byteLength(path) + 1)
        expect(bytes.length).toBeLessThanOrEqual(longestSockaddr)
        expect(bytes.readUInt16LE(0)).toBe(AF_UNIX)
        expect(decoded(bytes)).toEqual({ family: 'unix', path })
      }),
      many
    )
  })

  it('keeps any abstract name at exactly its length, NULs within it too', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(name(10), fc.constant('\0')), { maxLength: 8 }), (parts) => {
        const path = `\0${parts.join('')}`
        fc.pre(Buffer.byteLength(path) <= longestPath)
        const bytes = encodeUnix(path)
        expect(bytes.length).toBe(2 + Buffer.byteLength(path))
        expect(decoded(bytes)).toEqual({ family: 'unix', path })
      }),
      many
    )
  })

  it('of somebody without one is empty', () => {
    expect(decodeAddress(Buffer.alloc(longestSockaddr, 'x'), 0)).toEqual({ family: 'unix', path: '' })
    expect(decodeAddress(Buffer.from([AF_UNIX, 0]), 2)).toEqual({ family: 'unix', path: '' })
  })

  it('whose path fills all the room has no NUL, and says it is longer than it is', () => {
    const bytes = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.alloc(108, 'p')])
    expect(decodeAddress(bytes, 111)).toEqual({ family: 'unix', path: 'p'.repeat(108) })
  })

  it('that is cut, or of a family that nobody knows, is that of somebody without one', () => {
    const nobody = { family: 'unix', path: '' }
    for (const whole of [encodeInternet('127.0.0.1', 80), encodeInternet('::1', 80)]) {
      for (let length = 2; length < whole.length; length++) {
        expect(decodeAddress(whole.subarray(0, length), length)).toEqual(nobody)
        // As much as it says of it is not there.
        expect(decodeAddress(whole.subarray(0, length), whole.length)).toEqual(nobody)
      }
    }
    expect(decodeAddress(Buffer.alloc(longestSockaddr, 7), longestSockaddr)).toEqual(nobody)
  })
})
