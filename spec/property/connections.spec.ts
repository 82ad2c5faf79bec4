import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parallel } from '../../lib/index.ts'
import { type ClientPlan, type Got, impatient, lengthOf, patient, play } from './fuzz-client.ts'
import { faithful, type HandlerPlan, moody, serve, serveDetached, wantsLines } from './fuzz-handler.ts'
import { keystream, keystreamLines, sameUpTo } from './keystream.ts'
import { runs } from './runs.ts'
import { type AnyRequest, client, descriptors, descriptorsDownTo, type Transport, transports } from './transports.ts'

/** One client, who serves it, and what it sends. */
interface Visit {
  readonly client: ClientPlan
  readonly handler: HandlerPlan
  readonly seed: number
  readonly rare: number
}

interface Party {
  readonly visits: readonly Visit[]
  readonly limit: number
  /**
   * What becomes of each n-th that is accepted, whatever its plan: it is taken out of the server, and served by its plain
   * socket; or nobody ever uses it.
   */
  readonly odd: { readonly nth: number; readonly act: 'detached' | 'aborted' | 'left' }
}

const more = { seed: fc.nat(), rare: fc.constantFrom(2, 40, 3_000) }
const visit: fc.Arbitrary<Visit> = fc.oneof(
  { arbitrary: fc.record({ ...more, client: patient, handler: faithful }), weight: 4 },
  { arbitrary: fc.record({ ...more, client: patient, handler: moody }), weight: 2 },
  { arbitrary: fc.record({ ...more, client: impatient, handler: moody }), weight: 3 }
)
const odd: fc.Arbitrary<Party['odd']> = fc.record({
  nth: fc.oneof(fc.constant(1_000), fc.integer({ min: 2, max: 4 })),
  act: fc.constantFrom('detached', 'aborted', 'left')
})
const party: fc.Arbitrary<Party> = fc.record({
  visits: fc.array(visit, { minLength: 1, maxLength: 8 }),
  limit: fc.integer({ min: 1, max: 8 }),
  odd
})

const headerSize = 4

/** What a client sends after a header that says who it is. */
function bytesOf({ client: plan, handler, seed, rare }: Visit): Buffer {
  const length = lengthOf(plan)
  return wantsLines(handler) ? keystreamLines(seed, length, rare) : keystream(seed, length)
}

/** What a client must have got, and may. */
function check({ client: plan, handler }: Visit, burst: Buffer, sent: Buffer, { bytes, end }: Got): void {
  const whole = handler.goes === 'at the end'
  const due = Buffer.concat([burst, whole ? sent : sent.subarray(0, handler.after)])
  expect(sameUpTo(bytes, due), 'a client got what is not of its stream').toBe(bytes.length)
  if (plan.goes !== 'ends') return
  // A handler that goes first may have its client told by a reset that what it still sends is not wanted.
  if (whole || (handler.goes !== 'aborts' && end === 'end')) expect(bytes.length, 'a reply was cut').toBe(due.length)
  if (whole) expect(end).toBe('end')
}

async function hold({ visits, limit, odd }: Party, transport: Transport): Promise<void> {
  const before = descriptors()
  const server = await transports[transport]().listen()
  const sent = visits.map(bytesOf)
  const bursts = visits.map(({ handler, seed }) => keystream(seed + 1, handler.burst))
  const statuses = new Map<number, string>()
  let taken = 0
  const handler = async (request: AnyRequest): Promise<number | undefined> => {
    taken++
    if (taken % odd.nth === 0) {
      if (odd.act === 'detached') await serveDetached(request)
      if (odd.act === 'aborted') request.abort()
      return undefined
    }
    const header = await request.rfile.readExactly(headerSize)
    // A client that went at once.
    if (header === undefined) return undefined
    const who = header.readUInt32BE()
    statuses.set(who, 'begun')
    await serve(request, (visits[who] as Visit).handler, bursts[who] as Buffer)
    statuses.set(who, 'served')
    return who
  }
  const outcomes: unknown[] = []
  const serving = (async () => {
    for await (const outcome of parallel(handler, { limit })(server as AsyncIterable<AnyRequest>))
      outcomes.push(outcome)
  })()
  await Promise.all(
    visits.map(async (visit, who) => {
      const socket = await client(server.address)
      const header = Buffer.alloc(headerSize)
      header.writeUInt32BE(who)
      socket.write(header)
      const got = await play(socket, visit.client, sent[who] as Buffer)
      if (!statuses.has(who)) {
        // Whoever is served by its plain socket gets its header too, and no burst.
        const handler = { ...visit.handler, goes: 'at the end' } as const
        if (odd.act === 'detached') check({ ...visit, handler }, header, sent[who] as Buffer, got)
        else expect(got.bytes).toHaveLength(0)
        return
      }
      check(visit, bursts[who] as Buffer, sent[who] as Buffer, got)
      if (visit.client.goes === 'ends' && visit.handler.goes === 'at the end') expect(statuses.get(who)).toBe('served')
    })
  )
  const report = await server.close({ deadline: Number.POSITIVE_INFINITY })
  await serving
  expect(report.aborted).toBe(0)
  const { accepted, served, failed, refused, open, waiting } = server.stats()
  // One that has reset before it was accepted may never have been.
  expect(accepted).toBeLessThanOrEqual(visits.length)
  expect([served + failed + refused, open, waiting, outcomes.length]).toEqual([accepted, 0, 0, served + failed])
  expect(await descriptorsDownTo(before)).toBeLessThanOrEqual(before)
}

describe.for(Object.keys(transports) as Transport[])('connections by %s', (transport) => {
  it('get what is theirs, whoever writes, ends, resets, throws or leaves when', async () => {
    await fc.assert(
      fc.asyncProperty(party, (plan) => hold(plan, transport)),
      { numRuns: runs(25), endOnFailure: true }
    )
  })

  it('get what is theirs where there are many at once', async () => {
    const small = fc
      .oneof(patient, impatient)
      .map((plan) => ({ ...plan, writes: plan.writes.map((n) => 1 + (n % 3_000)) }))
    const calm = moody.map((plan) => ({ ...plan, burst: plan.burst % 5_000 }))
    const crowd = fc.record({
      visits: fc.array(fc.record({ ...more, client: small, handler: calm }), { minLength: 150, maxLength: 200 }),
      limit: fc.constantFrom(5, 40, 1_000),
      odd
    })
    await fc.assert(
      fc.asyncProperty(crowd, (plan) => hold(plan, transport)),
      { numRuns: Math.ceil(runs(25) / 25), endOnFailure: true }
    )
  })
})
