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

const trouble = fc.record({
  clients: fc.array(
    fc.record({
      messages: fc.array(fc.record({ takes: fc.nat(4), throws: fc.nat(9).map((n) => n === 0) }), { maxLength: 12 }),
      cuts: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 }),
      /** Bytes after which it resets; `undefined` where it ends well. */
      resetsAfter: fc.option(fc.nat(100), { nil: undefined, freq: 2 })
    }),
    { minLength: 1, maxLength: 4 }
  ),
  limit: fc.integer({ min: 1, max: 8 }),
  maxInFlight: fc.integer({ min: 1, max: 6 }),
  closeOnError: fc.boolean(),
  /** After how many frames it is closed, or left. */
  stopAfter: fc.integer({ min: 1, max: 40 }),
  stopBy: fc.constantFrom('close', 'return')
})

async function send(socket: Socket, bytes: Buffer, cuts: readonly number[], end = true): Promise<void> {
  socket.setNoDelay(true)
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = cuts[i % cuts.length] as number
    // It may have been closed, or reset, meanwhile.
    if (!socket.writable) break
    if (!socket.write(bytes.subarray(at, at + size))) await once(socket, 'drain').catch(() => {})
    await turns()
    at += size
  }
  if (end) socket.end()
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

  it('comes to its end, whoever fails, resets, or closes in the middle', async () => {
    await fc.assert(
      fc.asyncProperty(trouble, async ({ clients, limit, maxInFlight, closeOnError, stopAfter, stopBy }) => {
        const server = await new QuietTCPServer().listen()
        const handled: string[] = []
        let finished = 0
        let stop: () => void = () => {}
        const stopped = new Promise<void>((resolve) => {
          stop = resolve
        })
        const handler = async ({ packet, wfile }: FrameRequest): Promise<void> => {
          const [, takes, ends] = packet.toString().split(':')
          handled.push(packet.toString())
          if (handled.length === stopAfter) stop()
          await turns(Number(takes))
          finished++
          await wfile.write(packet)
          if (ends === 'throws') throw new Error('as planned')
        }
        const stage = parallel(handler, { limit })(framed(lines(), { maxInFlight, closeOnError })(server))
        const serving = drain(stage)
        const talks = clients.map(async ({ messages, cuts, resetsAfter }, who) => {
          const texts = messages.map(({ takes, throws }, i) => `${who}.${i}:${takes}:${throws ? 'throws' : 'ends'}`)
          const socket = await dial(server.address)
          const chunks: Buffer[] = []
          socket.on('data', (chunk) => chunks.push(chunk))
          socket.on('error', () => {})
          const over = new Promise((resolve) => socket.once('close', resolve))
          const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''))
          await send(socket, bytes.subarray(0, resetsAfter ?? bytes.length), cuts, resetsAfter === undefined)
          if (resetsAfter !== undefined) socket.resetAndDestroy()
          await over
          // What may come, in this order and nothing else; how much of it depends on when the trouble came.
          const failing = texts.findIndex((text) => text.endsWith('throws'))
          const due =
            closeOnError && failing !== -1 ? texts.slice(0, failing) : texts.filter((text) => !text.endsWith('throws'))
          expect(`${due.join('\n')}\n`.startsWith(Buffer.concat(chunks).toString())).toBe(true)
        })
        await Promise.race([Promise.all(talks), stopped])
        if (stopBy === 'return') await stage.return?.()
        const report = await server.close({ deadline: Number.POSITIVE_INFINITY })
        // Nobody is at work any more when the server has closed.
        expect(finished).toBe(handled.length)
        await Promise.all([serving, ...talks])
        expect(new Set(handled).size).toBe(handled.length)
        expect(report.aborted).toBe(0)
        const { served, failed, open } = server.stats()
        expect([served + failed, open]).toEqual([handled.length, 0])
      }),
      { numRuns: runs(60) }
    )
  })
})
