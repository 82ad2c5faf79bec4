import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AddressList } from '../../lib/index.ts'
import { runs } from './runs.ts'

type Bits = { readonly version: 4 | 6; readonly value: bigint }

const widths = { 4: 32n, 6: 128n }
const address = fc.oneof(
  fc.bigInt(0n, 2n ** 32n - 1n).map((value): Bits => ({ version: 4, value })),
  // Few of them are alike, so some are near.
  fc.oneof(fc.bigInt(0n, 2n ** 128n - 1n), fc.bigInt(0n, 2n ** 20n)).map((value): Bits => ({ version: 6, value }))
)

/** One of the ways of writing it. */
function text({ version, value }: Bits, way: number): string {
  const bits = version === 4 && way === 1 ? 128n : widths[version]
  const number = bits === widths[version] ? value : value + (0xffffn << 32n)
  if (bits === 32n) return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => ((number >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
  const written = groups.join(':')
  // The URL parser writes the shortest form.
  if (way < 2) return written
  return way === 2 ? written.toUpperCase() : new URL(`http://[${written}]`).hostname.slice(1, -1)
}

const isMapped = ({ version, value }: Bits): boolean => version === 6 && value >> 32n === 0xffffn

describe('AddressList against arithmetic', () => {
  it('knows networks, ranges and addresses, however they are written', () => {
    const ways = fc.array(fc.nat(3), { minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(address, fc.nat(128), fc.bigInt(-3n, 2n ** 128n), ways, (one, length, distance, [a, b, c, d]) => {
        const width = widths[one.version]
        const prefix = BigInt(length) % (width + 1n)
        const unused = width - prefix
        const start = (one.value >> unused) << unused
        const probe = { ...one, value: (((one.value + distance) % 2n ** width) + 2n ** width) % 2n ** width }
        fc.pre(![one, probe, { ...one, value: start }].some(isMapped))
        const inNetwork = probe.value >> unused === one.value >> unused
        const network = new AddressList([
          `${text({ ...one, value: start }, one.version === 4 ? 0 : (a ?? 0))}/${prefix}`
        ])
        expect(network.has(text(probe, b ?? 0))).toBe(inNetwork)
        const [first, last] = one.value < probe.value ? [one, probe] : [probe, one]
        const range = new AddressList([`${text(first, a ?? 0)}-${text(last, c ?? 0)}`])
        expect(range.has(text(one, d ?? 0)) && range.has(text(probe, b ?? 0))).toBe(true)
        const after = { ...last, value: last.value + 1n }
        if (after.value < 2n ** width && !isMapped(after)) expect(range.has(text(after, d ?? 0))).toBe(false)
        const alone = new AddressList([text(one, a ?? 0)])
        expect(alone.has(text(probe, c ?? 0))).toBe(one.value === probe.value)
        expect(alone.delete(text(one, d ?? 0))).toBe(true)
      }),
      { numRuns: runs(500) }
    )
  })

  it('answers any text, and throws nothing but a TypeError that names the entry', () => {
    const almost = fc.stringMatching(/^[0-9a-f:./%-]{0,40}$/)
    fc.assert(
      fc.property(fc.oneof(fc.string(), almost), (given) => {
        expect(typeof new AddressList(['::/0', '0.0.0.0/0']).has(given)).toBe('boolean')
        try {
          expect(new AddressList([given]).size).toBe(1)
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
          expect((error as Error).message).toContain(`Cannot list the address ${JSON.stringify(given)}: `)
        }
      }),
      { numRuns: runs(1_000) }
    )
  })
})
