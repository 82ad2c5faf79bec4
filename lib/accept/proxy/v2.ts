import { type Address, type InternetAddress, internetAddress } from '../../address.ts'
import { canonicalIPv6 } from './ipv6-text.ts'
import { malformed } from './malformed.ts'
import { bareHeader, type ParsedHeader } from './parsed-header.ts'
import { readTLVs } from './tlvs.ts'

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const commands = ['LOCAL', 'PROXY'] as const

/** What every header begins with: the signature, version and command, family and transport, the length of the rest. */
const headSize = 16
const commandAt = 12
const familyAt = 13
const lengthAt = 14

// Family and transport. Of streams only: this is one.
const unspecified = 0x00
const tcp4 = 0x11
const tcp6 = 0x21
const unixStream = 0x31

const pathSize = 108

/** The header of version 2, as it comes. */
export class BinaryParser {
  readonly #limit: number
  #bytes = Buffer.allocUnsafeSlow(headSize)
  #size = 0
  #header: ParsedHeader | undefined

  /** @param limit - the longest header, in bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** What it says, when all of it has come. */
  get header(): ParsedHeader | undefined {
    return this.#header
  }

  /** The header, as far as it has come. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#size)
  }

  /** The most bytes that may be missing. */
  get missing(): number {
    if (this.#header !== undefined) return 0
    return (this.#size < headSize ? this.#limit : this.#bytes.length) - this.#size
  }

  /**
   * Take what belongs to the header.
   *
   * @returns how many bytes of the chunk
   */
  push(chunk: Buffer): number {
    let taken = 0
    if (this.#size < headSize) {
      taken = this.#fill(chunk, 0)
      this.#checkHead(this.#size - taken)
      if (this.#size < headSize) return taken
      this.#makeRoom()
    }
    taken += this.#fill(chunk, taken)
    if (this.#size === this.#bytes.length) this.#header ??= said(this.#bytes)
    return taken
  }

  #fill(chunk: Buffer, from: number): number {
    const taken = chunk.copy(this.#bytes, this.#size, from)
    this.#size += taken
    return taken
  }

  // As soon as a byte is wrong: who speaks another protocol need not wait for an answer.
  #checkHead(from: number): void {
    for (let at = from; at < Math.min(this.#size, signature.length); at++) {
      if (this.#bytes[at] !== signature[at]) throw malformed('the connection does not begin with one')
    }
    if (this.#size <= commandAt) return
    const command = this.#bytes[commandAt] as number
    if (command >> 4 !== 2) throw malformed(`it is of version ${command >> 4}`)
    if (commands[command & 15] === undefined) throw malformed(`its command is ${command & 15}`)
  }

  #makeRoom(): void {
    const length = headSize + this.#bytes.readUInt16BE(lengthAt)
    if (length > this.#limit) throw malformed(`it has ${length} bytes, more than the limit of ${this.#limit}`)
    const bytes = Buffer.allocUnsafeSlow(length)
    this.#bytes.copy(bytes)
    this.#bytes = bytes
  }
}

function said(bytes: Buffer): ParsedHeader {
  const command = commands[(bytes[commandAt] as number) & 15] as 'LOCAL' | 'PROXY'
  const header = bareHeader(2, command)
  // Its block is to be left alone, the family included.
  if (command === 'LOCAL') return header
  const family = bytes[familyAt] as number
  switch (family) {
    case unspecified:
      return { ...header, ...readTLVs(bytes, headSize) }
    case tcp4:
      return withEnds(header, bytes, 12, ipv4)
    case tcp6:
      return withEnds(header, bytes, 36, ipv6)
    case unixStream:
      return withEnds(header, bytes, 2 * pathSize, unix)
    default:
      throw malformed(`its family and transport are 0x${family.toString(16).padStart(2, '0')}`)
  }
}

/** The address of one end, 0 or 1, in a block of addresses. */
type End = (block: Buffer, end: 0 | 1) => Address

function withEnds(header: ParsedHeader, bytes: Buffer, size: number, read: End): ParsedHeader {
  const end = headSize + size
  if (bytes.length < end) throw malformed('its addresses are cut short')
  const block = bytes.subarray(headSize, end)
  return { ...header, source: read(block, 0), destination: read(block, 1), ...readTLVs(bytes, end) }
}

function ipv4(block: Buffer, end: 0 | 1): InternetAddress {
  return internetAddress('IPv4', block.subarray(4 * end, 4 * end + 4).join('.'), block.readUInt16BE(8 + 2 * end))
}

function ipv6(block: Buffer, end: 0 | 1): InternetAddress {
  const groups = Array.from({ length: 8 }, (_, i) => block.readUInt16BE(16 * end + 2 * i).toString(16))
  return internetAddress('IPv6', canonicalIPv6(groups.join(':')), block.readUInt16BE(32 + 2 * end))
}

// An abstract name fills its room: where it ends nobody has said, and zeros at the end are taken for none.
function unix(block: Buffer, end: 0 | 1): Address {
  const name = block.subarray(pathSize * end, pathSize * (end + 1))
  let size = name.length
  if (name[0] === 0) while (size > 0 && name[size - 1] === 0) size--
  else if (name.includes(0)) size = name.indexOf(0)
  return { family: 'unix', path: name.toString('utf8', 0, size) }
}
