import { once } from 'node:events'
import type { Socket } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parallel } from '../../lib/index.ts'
import { turns } from '../support/turns.ts'
import { keystream, sameUpTo } from './keystream.ts'
import { runs } from './runs.ts'
import { type AnyRequest, client, descriptors, descriptorsDownTo, type Transport, transports } from './transports.ts'

/** What a handler does, having written to its client, or not. */
interface Mischief {
  /** Turns before it writes. */
  readonly waits: number
  /** Bytes that it writes; nobody waits for them. */
  readonly size: number
  readonly flushes: boolean
  /** How it goes, with its output dirty; or whom it cuts off in the middle of theirs. */
  readonly act: 'aborts' | 'destroys' | 'closes' | 'ends' | 'throws' | 'aborts another' | 'detaches' | 'serves'
  /** What its client does: reads to the end, reads nothing until then, or goes at once. */
  readonly client: 'reads' | 'is deaf' | 'goes' | 'resets'
}

const mischief: fc.Arbitrary<Mischief> = fc.record({
  waits: fc.nat(2),
  size: fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.constantFrom(70_000, 1_500_000)),
  flushes: fc.boolean(),
  act: fc.constantFrom('aborts', 'destroys', 'closes', 'ends', 'throws', 'aborts another', 'detaches', 'serves'),
  client: fc.oneof(
    { arbitrary: fc.constant('reads' as const), weight: 4 },
    { arbitrary: fc.constantFrom('is deaf' as const, 'goes' as const, 'resets' as const), weight: 3 }
  )
})

/** Visits, some of which come at the same time: each is in the queue of one of so many clients. */
const plan = fc.record({
  queues: fc.array(fc.array(mischief, { minLength: 5, maxLength: 15 }), { minLength: 2, maxLength: 6 }),
  limit: fc.integer({ min: 2, max: 8 })
})

const idSize = 4
const ignore = (): void => {}

/** What is written to a connection that has gone, or is just about to: it says whose that was, in bytes of no stream. */
function poisonOf(who: number): Buffer {
  const mark = Buffer.alloc(idSize, 0xff)
  mark.writeUInt16BE(who, 2)
  return Buffer.alloc(64, mark)
}

/** Whoever had a connection before tries everything that could still write to it. */
class Graveyard {
  readonly #dead: { request: AnyRequest; poison: Buffer }[] = []

  /** @param who - whose it was; one that nobody knows had better write nothing at all */
  bury(request: AnyRequest, who = 0xffff): void {
    this.#dead.push({ request, poison: poisonOf(who) })
    if (this.#dead.length > 30) this.#dead.shift()
    this.haunt()
  }

  haunt(): void {
    for (const { request, poison } of this.#dead) {
      const { wfile } = request
      wfile.write(poison).catch(ignore)
      wfile.flush().catch(ignore)
      request.configure({ noDelay: false })
      request.configure({ noDelay: true })
      wfile.end(poison).catch(ignore)
      request.sink([poison]).catch(ignore)
      const stream = request.toNodeStream().on('error', ignore)
      stream.end(poison)
      request.close().catch(ignore)
      request.abort()
    }
  }
}

/** Read as a client of its kind does; what came, to the end, however that came about. */
async function visited(socket: Socket, id: Buffer, kind: Mischief['client']): Promise<Buffer> {
  const chunks: Buffer[] = []
  const over = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', ignore)
  socket.once('end', () => socket.end())
  socket.write(id)
  if (kind === 'is deaf') await turns(20)
  if (kind === 'goes' || kind === 'resets') {
    await turns(1)
    if (kind === 'resets' && socket.remoteAddress !== undefined && !socket.destroyed) socket.resetAndDestroy()
    else socket.destroy()
    return Buffer.alloc(0)
  }
  socket.on('data', (chunk) => chunks.push(chunk))
  await over
  return Buffer.concat(chunks)
}

describe.for(Object.keys(transports) as Transport[])('what is written by %s', (transport) => {
  it('reaches its own client or nobody, whoever had the number of the descriptor before', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async ({ queues, limit }) => {
        const before = descriptors()
        const server = await transports[transport]().listen()
        const visits = queues.flat()
        const streams = visits.map(({ size }, who) => keystream(who, size))
        const graveyard = new Graveyard()
        const dirty = new Map<AnyRequest, number>()
        const strange: string[] = []

        const act = async (request: AnyRequest, { act: how }: Mischief): Promise<void> => {
          switch (how) {
            case 'aborts':
              request.abort()
              return
            case 'destroys':
              request.toNodeStream().on('error', ignore).destroy()
              return
            case 'closes':
              request.close().catch(ignore)
              return
            case 'ends':
              await request.wfile.end().catch(ignore)
              return
            case 'throws':
              throw new Error('as planned')
            case 'aborts another':
              for (const [other, whose] of dirty) {
                if (other === request) continue
                other.abort()
                graveyard.bury(other, whose)
                break
              }
              return
            default:
              await request.wfile.flush().catch(ignore)
          }
        }

        let accepted = 0
        const handler = async (request: AnyRequest): Promise<void> => {
          graveyard.haunt()
          accepted++
          if (visits[accepted % visits.length]?.act === 'detaches') {
            const socket = request.detach().on('error', ignore)
            graveyard.bury(request)
            const over = once(socket, 'close')
            socket.once('data', (id: Buffer) => {
              const stream = streams[id.readUInt32BE()]
              if (stream === undefined || id.length !== idSize)
                strange.push('a detached socket read what no client wrote')
              socket.write(stream ?? '')
              if (visits.length % 2 === 0) socket.destroy()
              else socket.end()
            })
            socket.once('end', () => socket.destroy()).resume()
            await over
            return
          }
          const id = await request.rfile.readExactly(idSize)
          if (id === undefined) return
          const who = id.readUInt32BE()
          const visit = visits[who]
          if (visit === undefined) {
            strange.push('a request read what no client wrote')
            return
          }
          await turns(visit.waits)
          dirty.set(request, who)
          const { wfile } = request
          const stream = streams[who] as Buffer
          for (let at = 0; at < stream.length; at += 40_000) wfile.write(stream.subarray(at, at + 40_000)).catch(ignore)
          if (visit.flushes) wfile.flush().catch(ignore)
          try {
            await act(request, visit)
          } finally {
            dirty.delete(request)
            if (visit.act !== 'serves' && visit.act !== 'aborts another') graveyard.bury(request, who)
          }
          if (visit.act !== 'serves' || visit.client !== 'reads') return
          // Nobody has written to the client's side either.
          if (request.rfile.length > 0) strange.push('a client has sent what it did not write')
        }

        const serving = (async () => {
          for await (const _ of parallel(handler, { limit })(server as AsyncIterable<AnyRequest>)) graveyard.haunt()
        })()
        let next = 0
        await Promise.all(
          queues.map(async (queue) => {
            for (const { client: kind } of queue) {
              const who = next++
              const id = Buffer.alloc(idSize)
              id.writeUInt32BE(who)
              const got = await visited(await client(server.address), id, kind)
              // A last word of its own handler, before its connection has gone, is its.
              const own = Buffer.concat([
                streams[who] as Buffer,
                poisonOf(who),
                poisonOf(who),
                poisonOf(who),
                poisonOf(who)
              ])
              expect(sameUpTo(got, own), 'a client got what was meant for another').toBe(got.length)
            }
          })
        )
        await server.close({ deadline: Number.POSITIVE_INFINITY })
        await serving
        expect(strange).toEqual([])
        const stats = server.stats()
        expect([stats.served + stats.failed + stats.refused, stats.open]).toEqual([stats.accepted, 0])
        expect(await descriptorsDownTo(before)).toBeLessThanOrEqual(before)
      }),
      { numRuns: runs(12), endOnFailure: true }
    )
  })
})
