import type { Duplex } from 'node:stream'
import fc from 'fast-check'
import * as lp from 'it-length-prefixed'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ByteReader } from '../../../lib/bytes/reader.ts'
import { toBuffer } from '../../../lib/bytes/to-buffer.ts'
import { drain, type FrameCodec, type FrameRequest, framed, lines, parallel } from '../../../lib/index.ts'
import { MemoryServer } from '../../../lib/testing/entry.ts'
import { received } from '../../support/peers.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'
import { leavesNothing } from './fuzz.ts'
import { anyBytes, mutated } from './mutated.ts'

checkNothingUnhandled()

// Of each error vitest looks up where its stack comes from: that would take most of the time.
const { stackTraceLimit } = Error
beforeEach(() => {
  Error.stackTraceLimit = 0
})
afterEach(() => {
  Error.stackTraceLimit = stackTraceLimit
})

const longest = 100

/** What the frames of some bytes are, and whether they end in an error: found in all of them at once. */
interface Found {
  readonly frames: readonly string[]
  readonly ends: boolean
}

interface Subject {
  readonly codec: FrameCodec
  readonly encode: (message: Buffer) => Buffer
  readonly find: (bytes: Buffer) => Found
}

const subjects: Record<string, Subject> = {
  lines: {
    codec: lines({ limit: longest }),
    encode: (message) => Buffer.concat([message, Buffer.from('\r\n')]),
    find(bytes) {
      const all = bytes.toString('latin1').match(/[^\n]*\n|[^\n]+$/g) ?? []
      const tooLong = all.findIndex(
        (line) => line.length > longest || (line.length === longest && !line.endsWith('\n'))
      )
      const frames = (tooLong === -1 ? all : all.slice(0, tooLong)).map((line) => line.replace(/\r?\n$/, ''))
      return { frames, ends: tooLong === -1 }
    }
  },
  'it-length-prefixed': {
    codec: {
      decode: (rfile) => lp.decode(rfile, { maxDataLength: longest }),
      encode: (message) => lp.encode.single(message)
    },
    encode: (message) => Buffer.from(lp.encode.single(message).subarray()),
    find(bytes) {
      const frames: string[] = []
      try {
        for (const frame of lp.decode([bytes], { maxDataLength: longest })) frames.push(latin1(frame.subarray()))
      } catch {
        return { frames, ends: false }
      }
      return { frames, ends: true }
    }
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

const name = fc.constantFrom(...Object.keys(subjects))
const message = fc.oneof(
  { weight: 6, arbitrary: anyBytes(20) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(longest - 2, longest - 1, longest, longest + 1).map((size) => Buffer.alloc(size, 'x'))
  }
)
// Lengths that never end, and that nobody has so much memory for.
const bomb = fc
  .constantFrom('ffffffff7f', 'ffffffffffffff7f', 'ff'.repeat(30), '80'.repeat(30), '8000', '80808000', 'e8ffff0f')
  .map((hex) => Buffer.from(hex, 'hex'))
const piece = fc.oneof(
  { weight: 8, arbitrary: message.map((bytes) => ({ bytes, isFrame: true })) },
  { weight: 1, arbitrary: fc.oneof(bomb, anyBytes(6)).map((bytes) => ({ bytes, isFrame: false })) }
)
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 })

function joined(subject: Subject, pieces: readonly { bytes: Buffer; isFrame: boolean }[]): Buffer {
  return Buffer.concat(pieces.map(({ bytes, isFrame }) => (isFrame ? subject.encode(bytes) : bytes)))
}

const stream = (most: number): fc.Arbitrary<{ subject: Subject; bytes: Buffer }> =>
  name.chain((which) => {
    const subject = subjects[which] as Subject
    const whole = fc.array(piece, { minLength: 1, maxLength: most, size: 'max' }).map((all) => joined(subject, all))
    return fc
      .oneof({ weight: 2, arbitrary: mutated(whole) }, { weight: 1, arbitrary: whole })
      .map((bytes) => ({ subject, bytes }))
  })

it('finds the same frames however they are cut, and ends at what is none', async () => {
  const seen = { frames: 0, errors: 0 }
  await leavesNothing((many) =>
    fc.assert(
      fc.asyncProperty(stream(3), sizes, async ({ subject, bytes }, cuts) => {
        const reader = new ByteReader()
        const frames: string[] = []
        let ended: boolean | undefined
        const decode = async (): Promise<void> => {
          for await (const frame of subject.codec.decode(reader)) frames.push(latin1(frame.subarray()))
        }
        decode().then(
          () => {
            ended = true
          },
          (error: unknown) => {
            ended = !(error instanceof Error)
          }
        )
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length] as number
          reader.push(Buffer.from(bytes.subarray(at, at + size)))
          at += size
          if (i % 2 === 0) await null
        }
        reader.end()
        // Steps that it may take: some for each frame.
        for (let step = 0; step < 20 * bytes.length + 50 && ended === undefined; step++) await null
        const found = subject.find(bytes)
        expect({ frames, ends: ended }).toEqual(found)
        seen.frames += frames.length
        if (!found.ends) seen.errors++
      }),
      { numRuns: many }
    )
  )
  expect(Math.min(seen.frames, seen.errors)).toBeGreaterThan(0)
})

// Each connection has so many pieces.
const each = 40

it('answers, on a server, the frames before the trouble, and ends that connection alone', async () => {
  await leavesNothing((many) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(stream(each), sizes), { minLength: 4, maxLength: 4, size: 'max' }),
        async (clients) => {
          for (const which of Object.values(subjects)) {
            const server = new MemoryServer()
            const errors: unknown[] = []
            server.handleError = (error) => void errors.push(error)
            const echo = async ({ packet, wfile }: FrameRequest): Promise<void> => {
              await wfile.write(packet)
            }
            await server.listen()
            const serving = drain(parallel(echo)(framed(which.codec)(server)))
            const mine = clients.filter(([{ subject }]) => subject === which)
            const replies = mine.map(async ([{ bytes }, cuts]) => {
              const socket: Duplex = server.connect()
              const reply = received(socket as never).catch(() => Buffer.alloc(0))
              socket.on('error', () => {})
              for (let at = 0, i = 0; at < bytes.length && socket.writable; i++) {
                const size = (cuts[i % cuts.length] as number) * 5
                socket.write(bytes.subarray(at, at + size))
                at += size
              }
              socket.end()
              return reply
            })
            const got = await Promise.all(replies)
            await server.close()
            await serving
            let broken = 0
            for (const [i, [{ bytes }]] of mine.entries()) {
              const { frames, ends } = which.find(bytes)
              if (!ends) broken++
              const sent = frames.map((frame) => toBuffer(which.codec.encode(Buffer.from(frame, 'latin1'))))
              expect(latin1(got[i] as Buffer)).toBe(latin1(Buffer.concat(sent)))
            }
            expect(errors).toHaveLength(broken)
          }
        }
      ),
      { numRuns: Math.ceil(many / (4 * each)) }
    )
  )
})
