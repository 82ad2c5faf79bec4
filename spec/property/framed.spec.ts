import { once } from 'node:events'
import type { Socket } from 'node:net'
import fc from 'fast-check'
import * as lp from 'it-length-prefixed'
import { describe, expect, it } from 'vitest'
import { drain, type FrameCodec, type FrameRequest, framed, lines, parallel } from '../../lib/index.ts'
import { dial, received } from '../support/peers.ts'
import { QuietTCPServer } from '../support/quiet.ts'
import { turns } from '../support/turns.ts'
import { runs } from './runs.ts'

const newline = Buffer.from('\n')

/** A codec, and how a client writes a message and what it must get for its answer. */
const codecs: Record<string, { codec: FrameCodec; frame: (message: Buffer) => Buffer }> = {
  lines: { codec: lines(), frame: (message) => Buffer.concat([message, newline]) },
  'it-length-prefixed': {
    codec: { decode: lp.decode, encode: lp.encode.single },
    frame: (message) => Buffer.from(lp.encode.single(message).subarray())
  }
}

const message = fc.record({
  text: fc.stringMatching(/^[a-z ]*$/, { maxLength: 300 }),
  /** Turns of the loop that its handler takes. */
  takes: fc.nat(4),
  silent: fc.boolean()
})
const client = fc.record({
  messages: fc.array(message, { maxLength: 12 }),
  /** Sizes of the chunks in which its bytes are sent. */
  cuts: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 })
})
const plan = fc.record({
  codec: fc.constantFrom(...Object.keys(codecs)),
  clients: fc.array(client, { minLength: 1, maxLength: 4 }),
  limit: fc.integer({ min: 1, max: 8 }),
  maxInFlight: fc.integer({ min: 1, max: 6 })
})

async function send(socket: Socket, bytes: Buffer, cuts: readonly number[]): Promise<void> {
  socket.setNoDelay(true)
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = cuts[i % cuts.length] as number
    if (!socket.write(bytes.subarray(at, at + size))) await once(socket, 'drain')
    await turns()
    at += size
  }
  socket.end()
}

describe('framed', () => {
  it('sends every reply, once and in order, however bytes are cut and handlers finish', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async ({ codec: name, clients, limit, maxInFlight }) => {
        const { codec, frame } = codecs[name] as { codec: FrameCodec; frame: (message: Buffer) => Buffer }
        const server = await new QuietTCPServer().listen()
        const handled: string[] = []
        const inFlight = new Map<unknown, number>()
        let most = 0
        const handler = async ({ packet, wfile, connection }: FrameRequest): Promise<void> => {
          const [who = '', takes, silent] = packet.toString().split(':')
          handled.push(`${who}:${packet.length}`)
          inFlight.set(connection, (inFlight.get(connection) ?? 0) + 1)
          most = Math.max(most, inFlight.get(connection) ?? 0)
          await turns(Number(takes))
          inFlight.set(connection, (inFlight.get(connection) ?? 0) - 1)
          if (silent !== 'true') await wfile.write(packet)
        }
        const serving = drain(parallel(handler, { limit })(framed(codec, { maxInFlight })(server)))
        const replies = await Promise.all(
          clients.map(async ({ messages, cuts }, who) => {
            const packets = messages.map(({ text, takes, silent }, i) => ({
              silent,
              bytes: frame(Buffer.from(`${who}.${i}:${takes}:${silent}:${text}`))
            }))
            const socket = await dial(server.address)
            const reply = received(socket)
            await send(socket, Buffer.concat(packets.map(({ bytes }) => bytes)), cuts)
            const expected = Buffer.concat(packets.filter(({ silent }) => !silent).map(({ bytes }) => bytes))
            return { got: (await reply).toString(), expected: expected.toString() }
          })
        )
        const report = await server.close()
        await serving
        for (const { got, expected } of replies) expect(got).toBe(expected)
        const total = clients.reduce((sum, { messages }) => sum + messages.length, 0)
        expect(new Set(handled).size).toBe(total)
        expect(most).toBeLessThanOrEqual(Math.min(limit, maxInFlight))
        expect(report).toMatchObject({ aborted: 0, refused: 0 })
        expect(server.errors).toEqual([])
        expect(server.stats()).toMatchObject({ accepted: clients.length, served: total, failed: 0, open: 0 })
      }),
      { numRuns: runs(60) }
    )
  })
})
