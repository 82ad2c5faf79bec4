import { isIPv4 } from 'node:net'
import { DatagramRequestHandler, type FrameCodec, FrameRequest, type HandlerClass } from 'it-socketserver'

/** Names in lower case, each with its addresses and texts. */
export type Zone = Record<string, { readonly addresses?: readonly string[]; readonly texts?: readonly string[] }>

/** A question, and where it ends in its message. */
interface Question {
  readonly name: string
  readonly type: number
  readonly bytes: Buffer
}

const headerSize = 12
const types = { A: 1, TXT: 16, AAAA: 28 } as const
const isResponse = 0x8000
const opcode = 0x7800
const authoritative = 0x0400
const truncated = 0x0200
const recursionDesired = 0x0100
const codes = { none: 0, malformed: 1, noSuchName: 3, notImplemented: 4 } as const
const secondsToLive = 60

/** Over TCP a message comes behind its length, two bytes: RFC 1035, 4.2.2. */
export const overTCP: FrameCodec = {
  async *decode(rfile) {
    for (;;) {
      const length = await rfile.readExactly(2)
      if (length === undefined) return
      const message = await rfile.readExactly(length.readUInt16BE())
      if (message !== undefined) yield message
    }
  },
  encode(message) {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(message.length)
    return Buffer.concat([length, message])
  }
}

/**
 * A name server of a few names: a message in, a message out, by UDP or TCP. What has no room in a datagram is marked
 * truncated, and clients then ask again by TCP.
 */
export function dnsHandler(zone: Zone): HandlerClass {
  return class extends DatagramRequestHandler {
    override async handle(): Promise<void> {
      const message = this.packet
      // What is no question is not answered: two servers would talk for ever.
      if (message.length < headerSize || (message.readUInt16BE(2) & isResponse) !== 0) return
      const roomy = this.request instanceof FrameRequest
      await this.wfile.write(answer(zone, message, roomy ? 65_535 : 512))
    }
  }
}

function answer(zone: Zone, message: Buffer, room: number): Buffer {
  const flags = message.readUInt16BE(2)
  const reply = (code: number, question: Uint8Array = Buffer.alloc(0), records: readonly Buffer[] = []): Buffer => {
    const whole = Buffer.concat([Buffer.alloc(headerSize), question, ...records])
    const fits = whole.length <= room
    message.copy(whole, 0, 0, 2)
    const kept = flags & (opcode | recursionDesired)
    whole.writeUInt16BE(isResponse | authoritative | kept | code | (fits ? 0 : truncated), 2)
    whole.writeUInt16BE(question.length === 0 ? 0 : 1, 4)
    whole.writeUInt16BE(fits ? records.length : 0, 6)
    return fits ? whole : whole.subarray(0, headerSize + question.length)
  }
  if ((flags & opcode) !== 0) return reply(codes.notImplemented)
  const question = parseQuestion(message)
  if (question === undefined) return reply(codes.malformed)
  const entry = zone[question.name]
  if (entry === undefined) return reply(codes.noSuchName, question.bytes)
  return reply(codes.none, question.bytes, recordsOf(entry, question.type))
}

function parseQuestion(message: Buffer): Question | undefined {
  const labels: string[] = []
  let at = headerSize
  for (;;) {
    const length = message[at]
    // A question has no name before it to point at, so there are no pointers in it.
    if (length === undefined || length > 63) return undefined
    at += 1
    if (length === 0) break
    labels.push(message.toString('latin1', at, at + length).toLowerCase())
    at += length
  }
  if (message.readUInt16BE(4) !== 1 || at + 4 > message.length) return undefined
  return { name: labels.join('.'), type: message.readUInt16BE(at), bytes: message.subarray(headerSize, at + 4) }
}

function recordsOf({ addresses = [], texts = [] }: Zone[string], type: number): Buffer[] {
  switch (type) {
    case types.A:
      return addresses.filter((address) => isIPv4(address)).map((address) => record(type, bytesOfIPv4(address)))
    case types.AAAA:
      return addresses.filter((address) => !isIPv4(address)).map((address) => record(type, bytesOfIPv6(address)))
    case types.TXT:
      return texts.map((text) => record(type, characterStrings(Buffer.from(text))))
    default:
      return []
  }
}

function record(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12)
  // The name: a pointer to the question's.
  head.writeUInt16BE(0xc000 | headerSize, 0)
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(secondsToLive, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function bytesOfIPv4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}

function bytesOfIPv6(address: string): Buffer {
  const [head = '', tail] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const before = groups(head)
  const after = groups(tail ?? '')
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const all = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0'))
  return Buffer.from(all.join(''), 'hex')
}

function characterStrings(text: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at === 0 || at < text.length; at += 255) {
    const part = text.subarray(at, at + 255)
    parts.push(Buffer.from([part.length]), part)
  }
  return Buffer.concat(parts)
}
