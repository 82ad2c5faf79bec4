import { openSync } from 'node:fs'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { closeEnd, DescriptorChannel, hasChannels, openChannel } from '../../../lib/accept/native/descriptor-channel.ts'
import { libc } from '../../../lib/accept/native/libc.ts'
import { descriptorsOf } from '../../support/pool-children.ts'
import { leavesNothing } from './fuzz.ts'

const MSG_DONTWAIT = 0x40
const full = 49_152
const longest = 3 * full

// What a packet begins with, how long it is, and how many descriptors come along.
const packet = fc.record({
  kind: fc.oneof({ weight: 30, arbitrary: fc.constantFrom(0, 1) }, { weight: 1, arbitrary: fc.nat(255) }),
  size: fc.nat(40),
  isFull: fc.oneof({ weight: 30, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  descriptors: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 }) }
  )
})
type Packet = typeof packet extends fc.Arbitrary<infer T> ? T : never

/** The bytes that a broken child sends, by a call of its own. */
class Sender {
  readonly #bytes = Buffer.alloc(full + 1, 'x')
  readonly #piece = Buffer.alloc(16)
  readonly #control = Buffer.alloc(24)
  readonly #header = Buffer.alloc(56)

  constructor(file: number) {
    libc().pointerTo(this.#bytes).copy(this.#piece)
    libc().pointerTo(this.#piece).copy(this.#header, 16)
    this.#header.writeBigUInt64LE(1n, 24)
    libc().pointerTo(this.#control).copy(this.#header, 32)
    for (const at of [8, 12]) this.#control.writeInt32LE(1, at)
    for (const at of [16, 20]) this.#control.writeInt32LE(file, at)
  }

  send(fd: number, { kind, size, isFull, descriptors }: Packet): number {
    const length = kind === 1 && isFull ? full : size
    this.#bytes[0] = kind
    this.#piece.writeBigUInt64LE(BigInt(length + 1), 8)
    this.#control.writeBigUInt64LE(BigInt(16 + 4 * descriptors))
    this.#header.writeBigUInt64LE(descriptors === 0 ? 0n : 24n, 40)
    expect(libc().sendmsg(fd, this.#header, MSG_DONTWAIT)).toBe(length + 1)
    return length
  }
}

// Packets of a channel, no more than the kernel holds.
const each = 10

it.runIf(hasChannels())('ends at what is no message, takes all that is one, and keeps no descriptor', async () => {
  const file = openSync('package.json', 'r')
  const sender = new Sender(file)
  const seen = { messages: 0, descriptors: 0, ends: 0 }
  const run = (packets: readonly Packet[]): void => {
    const [here, there] = openChannel()
    const messages: number[] = []
    let ended = false
    const channel = new DescriptorChannel(
      here,
      {
        longest,
        message(bytes, fd) {
          messages.push(bytes.length)
          if (fd < 0) return
          seen.descriptors++
          closeEnd(fd)
        },
        ended(error) {
          expect(error).toBeInstanceOf(Error)
          ended = true
        }
      },
      true
    )
    const due: number[] = []
    let isOver = false
    let parts = 0
    for (const one of packets) {
      const length = sender.send(there, one)
      channel.drain()
      if (isOver) break
      parts += length
      isOver = one.kind > 1 || parts > longest || (one.kind === 1 && length < full)
      if (!isOver && one.kind === 0) {
        due.push(parts)
        parts = 0
      }
      if (ended) break
    }
    expect({ messages, ended }).toEqual({ messages: due, ended: isOver })
    seen.messages += messages.length
    if (ended) seen.ends++
    channel.close()
    closeEnd(there)
  }
  // The first one has descriptors made that all share.
  run([])
  const before = descriptorsOf(process.pid)
  await leavesNothing((many) =>
    fc.assert(fc.property(fc.array(packet, { minLength: each, maxLength: each, size: 'max' }), run), {
      numRuns: Math.ceil(many / each)
    })
  )
  expect(descriptorsOf(process.pid)).toBe(before)
  closeEnd(file)
  expect(Math.min(seen.messages, seen.descriptors, seen.ends)).toBeGreaterThan(0)
})
