// Castagnoli's polynomial, its bits reversed.
const polynomial = 0x82f63b78

const table = new Uint32Array(256)
for (let byte = 0; byte < table.length; byte++) {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = (remainder & 1) === 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1
  table[byte] = remainder
}

/**
 * The CRC-32C of bytes, of which four count as zeros: where the sum itself stands.
 *
 * @param bytes - all of them
 * @param at - where the four begin
 */
export function crc32cAround(bytes: Buffer, at: number): number {
  let sum = 0xffffffff
  for (let i = 0; i < bytes.length; i++) {
    const byte = i >= at && i < at + 4 ? 0 : (bytes[i] as number)
    sum = (table[(sum ^ byte) & 0xff] as number) ^ (sum >>> 8)
  }
  return ~sum >>> 0
}
