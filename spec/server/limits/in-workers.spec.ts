import { describe, expect, it } from 'vitest'
import {
  type EndEvent,
  forked,
  type LimitEvent,
  type Outcome,
  type Stage,
  type StreamLimits,
  type StreamRequest,
  threads
} from '../../../lib/index.ts'
import { bounded, type ConnectionServer, counted, type KindName, visit } from '../../support/bounded-servers.ts'
import { overhear } from '../../support/events.ts'
import { handlerModule } from '../../support/handler-module.ts'
import { until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const handler = handlerModule(`
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
export default async (request) => {
  const { rfile, wfile } = request
  for await (const line of rfile.lines({ chomp: true })) {
    const [word, milliseconds] = String(line).split(' ')
    if (word === 'compute') await wait(milliseconds)
    if (word === 'dawdle') await new Promise((resolve) => request.signal.addEventListener('abort', resolve))
    await wfile.write(word + '\\n')
    await wfile.flush()
    if (word === 'bye') return
  }
}
`)

const modes: Record<string, () => Stage<StreamRequest, Outcome<StreamRequest>>> = {
  forked: () => forked<StreamRequest>(handler, { maxChildren: 1, maxRequestsPerChildInFlight: 10 }),
  threads: () => threads<StreamRequest>(handler, { size: 1, limit: 10 })
}
// Those of TLS are bridged: their bytes go to the worker as messages.
const ways: KindName[] = ['TCP, native', "TCP, Node's", 'TLS, native', 'in memory']
const all = Object.keys(modes).flatMap((mode) => ways.map((way) => [mode, way] as const))

async function serve(
  mode: string,
  way: KindName,
  limits: Partial<StreamLimits>
): Promise<{ server: ConnectionServer; outcomes: Outcome<StreamRequest>[] }> {
  const server = await bounded(way, limits)
  const outcomes: Outcome<StreamRequest>[] = []
  void (async () => {
    const stage = modes[mode]?.() as Stage<StreamRequest, Outcome<StreamRequest>>
    for await (const outcome of stage(server as AsyncIterable<StreamRequest>)) outcomes.push(outcome)
  })()
  return { server, outcomes }
}

describe.for(all)('limits in %s, %s', ([mode, way]) => {
  it('idleTimeout cuts off whose read waits in the worker, which this process tells', async () => {
    using ended = overhear<EndEvent>('end')
    const { server, outcomes } = await serve(mode, way, { idleTimeout: 60 })
    const visitor = visit(server)
    visitor.send('hello\n')
    await visitor.heard('hello\n')
    await visitor.over()
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([{ status: 'aborted', reason: { code: 'ERR_REQUEST_ABORTED', cause: 'idle' } }])
    expect((outcomes[0] as { reason: Error }).reason.message).toMatch(/idleTimeout of 60 ms/)
    expect(outcomes[0]?.ranBy).toBeDefined()
    expect(ended.messages).toMatchObject([{ server, outcome: { status: 'aborted', reason: { cause: 'idle' } } }])
    await until(() => server.stats().open === 0)
    expect(server.stats()).toMatchObject({ accepted: 1, failed: 1 })
  })

  it('idleTimeout leaves alone a handler that computes, and a client that sends now and then', async () => {
    const { server, outcomes } = await serve(mode, way, { idleTimeout: 400 })
    const [busy, slow] = [visit(server), visit(server)]
    busy.send('compute 800\nbye\n')
    for (let i = 1; i <= 6; i++) {
      slow.send('x\n')
      await slow.heard('x\n'.repeat(i))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    slow.send('bye\n')
    await busy.heard('compute\nbye\n')
    await until(() => outcomes.length === 2)
    expect(outcomes).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }])
  })

  it('requestTimeout cuts off who takes longer', async () => {
    using ended = overhear<EndEvent>('end')
    const { server, outcomes } = await serve(mode, way, { requestTimeout: 60 })
    // Its worker may start for longer than that: the client is cut off then, too.
    const visitor = visit(server)
    visitor.send('dawdle\n')
    await visitor.over()
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([{ status: 'aborted', reason: { code: 'ERR_REQUEST_ABORTED', cause: 'timeout' } }])
    expect(ended.messages).toMatchObject([{ server, outcome: { status: 'aborted', reason: { cause: 'timeout' } } }])
    expect(server.stats()).toMatchObject({ accepted: 1, failed: 1, open: 0 })
  })

  it('maxConnections counts those in the worker, each once', async () => {
    using limits = overhear<LimitEvent>('limit')
    const open = counted()
    const { server, outcomes } = await serve(mode, way, { maxConnections: 2 })
    const visitors = [visit(server), visit(server)]
    for (const visitor of visitors) {
      visitor.send('hello\n')
      await visitor.heard('hello\n')
    }
    expect(open()).toBe(2)
    const third = visit(server)
    if (way.includes('native')) await limits.count(1)
    else await third.over()
    expect(open()).toBeLessThanOrEqual(way.includes('native') ? 2 : 3)
    for (const visitor of visitors) visitor.send('bye\n')
    for (const visitor of visitors) {
      await visitor.over()
      visitor.end()
    }
    if (way.includes('native')) {
      third.send('bye\n')
      await third.heard('bye\n')
      third.end()
    }
    const served = way.includes('native') ? 3 : 2
    await until(() => outcomes.length === served && open() === 0)
    expect(outcomes.map(({ status }) => status)).toEqual(Array(served).fill('fulfilled'))
  })
})
