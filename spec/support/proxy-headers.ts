/** PROXY headers as a proxy writes them. */

export const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

/** A header of version 1, of a client at 192.0.2.7:4711. */
export const line = 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n'

/** How a header of version 2 is made. */
export interface Binary {
  /** Version and command: 0x21 by default. */
  readonly command?: number
  /** Family and transport: 0x11 by default. */
  readonly family?: number
  /** The addresses: those of {@link line} by default. */
  readonly block?: Buffer
  /** What follows. */
  readonly tlvs?: readonly Buffer[]
  /** Whether the last TLV is a checksum. */
  readonly summed?: boolean
}

export const block4 = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb])

export function tlv(type: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value)
  const head = Buffer.from([type, 0, 0])
  head.writeUInt16BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

export function sslTLV(flags: number, verify: number, ...tlvs: readonly Buffer[]): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, 0])
  head.writeUInt32BE(verify, 1)
  return tlv(0x20, Buffer.concat([head, ...tlvs]))
}

/** The checksum, bit by bit. */
export function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
  }
  return ~sum >>> 0
}

/** A header of version 2. */
export function binary({ command = 0x21, family = 0x11, block = block4, tlvs = [], summed }: Binary = {}): Buffer {
  const rest = Buffer.concat([block, ...tlvs, ...(summed === true ? [tlv(0x03, Buffer.alloc(4))] : [])])
  const head = Buffer.concat([signature, Buffer.from([command, family, 0, 0])])
  head.writeUInt16BE(rest.length, 14)
  const bytes = Buffer.concat([head, rest])
  if (summed === true) bytes.writeUInt32BE(crc32c(bytes), bytes.length - 4)
  return bytes
}

/** A Unix address in a header of version 2. */
export function path(text: string): Buffer {
  const bytes = Buffer.alloc(108)
  bytes.write(text)
  return bytes
}
