import { deserialize, serialize } from 'node:v8'
import type { PoolMessage, WorkerMessage } from './messages.ts'

type Message = PoolMessage | WorkerMessage

// The first byte of a message: what follows is JSON, or as v8 writes it, or these two by hand, which are frequent.
const json = 0
const cloned = 1
const claim = 2
const data = 3

const idSize = 6
const lengthSize = 4

/** The bytes of a message. */
export function encode(message: Message): Buffer {
  switch (message.type) {
    case 'claim': {
      const bytes = Buffer.allocUnsafe(1 + idSize)
      bytes[0] = claim
      bytes.writeUIntLE(message.id, 1, idSize)
      return bytes
    }
    case 'data': {
      const bytes = Buffer.allocUnsafe(1 + idSize + message.bytes.length)
      bytes[0] = data
      bytes.writeUIntLE(message.id, 1, idSize)
      bytes.set(message.bytes, 1 + idSize)
      return bytes
    }
    default:
      return isPlain(message) ? tagged(json, Buffer.from(JSON.stringify(message))) : tagged(cloned, serialize(message))
  }
}

/** The message of bytes, which may be overwritten afterwards. Throws where they are none. */
export function decode(bytes: Buffer): Message {
  switch (bytes[0]) {
    case claim:
      return { type: 'claim', id: bytes.readUIntLE(1, idSize) }
    case data:
      return { type: 'data', id: bytes.readUIntLE(1, idSize), bytes: Buffer.from(bytes.subarray(1 + idSize)) }
    case json:
      return JSON.parse(bytes.toString('utf8', 1)) as Message
    case cloned:
      return deserialize(Buffer.from(bytes.subarray(1))) as Message
    default:
      throw new TypeError(`A message begins with ${bytes[0] ?? 'nothing'}`)
  }
}

/** Several messages as one. */
export function joined(messages: readonly Buffer[]): Buffer {
  const bytes = Buffer.allocUnsafe(messages.reduce((sum, { length }) => sum + lengthSize + length, 0))
  let at = 0
  for (const message of messages) {
    bytes.writeUInt32LE(message.length, at)
    bytes.set(message, at + lengthSize)
    at += lengthSize + message.length
  }
  return bytes
}

/** The messages that were joined. Throws where one is not whole. */
export function* parted(bytes: Buffer): Generator<Buffer, void> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + lengthSize + bytes.readUInt32LE(at)
    if (end > bytes.length) throw new RangeError(`A message is cut: ${bytes.length - at} bytes of ${end - at}`)
    yield bytes.subarray(at + lengthSize, end)
    at = end
  }
}

function tagged(tag: number, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(1 + body.length)
  bytes[0] = tag
  bytes.set(body, 1)
  return bytes
}

/** Whether JSON says all of it. */
function isPlain(message: Message): boolean {
  switch (message.type) {
    case 'take':
      return (
        message.carriage.by === 'bridge' || (message.carriage.by !== 'message' && message.carriage.unread === undefined)
      )
    case 'report':
      return (
        message.error === undefined &&
        message.reply === undefined &&
        message.notes.length === 0 &&
        isPlainValue(message.value)
      )
    case 'cut':
    case 'failed':
    case 'crashed':
      return false
    default:
      return true
  }
}

function isPlainValue(value: unknown): boolean {
  switch (typeof value) {
    case 'undefined':
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
    default:
      return value === null
  }
}
