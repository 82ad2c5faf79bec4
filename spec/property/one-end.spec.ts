import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import {
  type AbortedError,
  drain,
  type EndEvent,
  framed,
  lines,
  merge,
  parallel,
  type Request,
  type Stage,
  type StartEvent,
  StreamRequest,
  sequential,
  threadPool,
  verify
} from '../../lib/index.ts'
import { type ConnectionServer, type KindName, kinds, visit } from '../support/bounded-servers.ts'
import { overhear } from '../support/events.ts'
import { handlerModule } from '../support/handler-module.ts'
import { quiet } from '../support/quiet.ts'
import { turns, until } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'
import { runs } from './runs.ts'

checkNothingUnhandled()

const clientActs = ['ends', 'ends', 'resets at once', 'resets', 'stays'] as const
const handlerActs = [
  'serves',
  'serves',
  'throws',
  'aborts',
  'detaches',
  'closes',
  'leaves',
  'never returns',
  'hands over'
] as const

const pool = threadPool(handlerModule('export default ({ wfile }) => wfile.write("from afar\\n")'), {
  size: 1,
  limit: 100
})
afterAll(() => pool.close({ deadline: 0 }))

type Serve = (request: Request) => unknown
type Source = AsyncIterable<Request>

/** Reads outcomes, so many of them. */
async function take(outcomes: AsyncIterable<unknown>, many: number): Promise<void> {
  let left = many
  for await (const _ of outcomes) if (--left <= 0) break
}

const stages: Record<string, (serve: Serve) => Stage<Request, unknown>> = {
  sequential: (serve) => sequential(serve),
  parallel: (serve) => parallel(serve, { limit: 3 }),
  'parallel, by key': (serve) => parallel(serve, { limit: 4, key: () => 'one' }),
  'verified, in parallel': (serve) => {
    let looked = 0
    const some = verify(() => {
      looked++
      if (looked % 5 === 0) throw new Error('not this one')
      return looked % 3 > 0
    })
    return (source) => parallel(serve)(some(source))
  },
  'framed, in parallel': (serve) => (source) => parallel(serve)(framed(lines(), { closeOnError: false })(source)),
  'merged, in parallel': (serve) => (source) => parallel(serve, { limit: 3 })(merge(source))
}

const ways: Record<string, (server: ConnectionServer, serve: Serve, many: number) => Promise<unknown>> = {
  'a bare loop': async (server, serve, many) => {
    let left = many
    for await (const request of server as Source) {
      // What it throws would leave the loop.
      void (async () => serve(request))().catch(() => {})
      if (--left <= 0) break
    }
  },
  'one by one': async (server, serve, many) => {
    for (let i = 0; i < many; i++) if ((await server.handleRequest(serve)) === undefined) return
    await server.close({ deadline: 0 })
  }
}
for (const [name, stage] of Object.entries(stages)) {
  ways[name] = (server, serve, many) => take(stage(serve)(server as Source), many)
}

const history = fc.record({
  way: fc.constantFrom(...Object.keys(ways)),
  visits: fc.array(
    fc.record({
      client: fc.constantFrom(...clientActs),
      handler: fc.constantFrom(...handlerActs),
      after: fc.nat(2),
      pause: fc.nat(5)
    }),
    { minLength: 1, maxLength: 15 }
  ),
  /** Outcomes, or requests, after which the loop is left. */
  many: fc.constantFrom(1, 3, 1_000),
  refuses: fc.constantFrom(1_000, 2, 4),
  closesAfter: fc.nat(20),
  limits: fc.constantFrom({}, { maxConnections: 2 }, { maxPending: 2 }, { idleTimeout: 2 }, { requestTimeout: 2 })
})

type History = typeof history extends fc.Arbitrary<infer T> ? T : never

/** Once each. */
function once(requests: readonly Request[]): Set<Request> {
  const each = new Set(requests)
  expect(requests.length).toBe(each.size)
  return each
}

async function hold({ way, visits, many, refuses, closesAfter, limits }: History, name: KindName): Promise<void> {
  using started = overhear<StartEvent>('start')
  using ended = overhear<EndEvent>('end')
  const server = quiet(kinds[name].make({ lingerTimeout: 5, ...limits })) as ConnectionServer
  let taken = 0
  let begun = 0
  let letGo = (): void => {}
  const released = new Promise<void>((resolve) => {
    letGo = resolve
  })
  server.verifyRequest = () => ++taken % refuses !== 0
  await server.listen()
  const serve = async (request: Request): Promise<unknown> => {
    switch (visits[begun++ % visits.length]?.handler) {
      case 'throws':
        throw new Error('thrown')
      case 'aborts':
        return request.abort()
      case 'detaches':
        return (
          request instanceof StreamRequest &&
          request
            .detach()
            .on('error', () => {})
            .destroy()
        )
      case 'closes':
        await request.close()
        return request.close()
      case 'leaves':
        return undefined
      case 'never returns':
        return released
      case 'hands over':
        return pool.run(request)
      default:
        await request.wfile.write('hello\n')
        await request.rfile.readAll()
        return request.close()
    }
  }
  const serving = ways[way]?.(server, serve, many).catch(() => {})
  const clients = visits.map(async ({ client, after, pause }) => {
    await turns(after)
    const visitor = visit(server)
    if (client === 'resets at once') return visitor.reset()
    visitor.send('one\ntwo\n')
    await turns(pause)
    if (client === 'ends') visitor.end()
    if (client === 'resets') visitor.reset()
  })
  await Promise.all(clients)
  await turns(closesAfter)
  await server.close({ deadline: 0 })
  await turns(2)
  // Whoever never returns was cut off at the deadline, and has ended.
  const starts = once(started.messages.map(({ request }) => request))
  const ends = once(ended.messages.map(({ outcome }) => outcome.request))
  const connectionsOf = (requests: Set<Request>): Request[] =>
    Array.from(requests).filter((request) => request instanceof StreamRequest)
  for (const request of ends) expect(starts).toContain(request)
  for (const request of connectionsOf(starts)) expect(ends).toContain(request)
  for (const { outcome, server: whose } of ended.messages) {
    expect(whose).toBe(server)
    expect(outcome.elapsed).toBeGreaterThanOrEqual(0)
  }
  const { accepted, refused, refusedBy, open, waiting } = server.stats()
  expect([open, waiting]).toEqual([0, 0])
  // Whom a stage refuses has begun, and is counted as refused.
  const refusedByStages = ended.messages.filter(
    ({ outcome }) => outcome.status === 'aborted' && (outcome.reason as AbortedError).cause === 'refused'
  )
  const sum = connectionsOf(ends).length - refusedByStages.length + refused
  // Not all that are refused are accepted before; stages refuse frames, too, and whom the peer has left before.
  const isExact =
    name === 'TCP, native' &&
    ['a bare loop', 'one by one', 'sequential', 'parallel', 'merged, in parallel'].includes(way)
  expect(sum).toBeGreaterThanOrEqual(accepted)
  expect(sum - accepted).toBeLessThanOrEqual(isExact ? 0 : refused)
  expect(Object.values(refusedBy).reduce((a, b) => a + b)).toBe(refused)
  letGo()
  await serving
  await until(() => ended.messages.length >= started.messages.length)
  // Frames of a connection that was cut have ended when their handlers have.
  expect(once(ended.messages.map(({ outcome }) => outcome.request))).toEqual(
    once(started.messages.map(({ request }) => request))
  )
}

describe.for(['TCP, native', "TCP, Node's", 'TLS, native', 'in memory'] as const)('every request, %s', (name) => {
  it('has one start and one end, whatever happens, and each that was accepted is accounted for', async () => {
    await fc.assert(
      fc.asyncProperty(history, (plan) => hold(plan, name)),
      { numRuns: runs(60), endOnFailure: true }
    )
  })
})

it('a request that was refused before anybody got it has neither', async () => {
  using started = overhear('start')
  using ended = overhear('end')
  using refused = overhear('refused')
  const server = quiet(kinds['TCP, native'].make({}))
  server.verifyRequest = () => false
  await server.listen()
  const serving = drain(parallel(() => {})(server as Source))
  await visit(server).over()
  await refused.count(1)
  await server.close()
  await serving
  expect([started.messages, ended.messages]).toEqual([[], []])
})
