import { describe, expect, it } from 'vitest'
import {
  type EndEvent,
  framed,
  lines,
  type Outcome,
  parallel,
  pipe,
  type Request,
  type StreamRequest
} from '../../../lib/index.ts'
import { bounded, type ConnectionServer, kindNames, visit } from '../../support/bounded-servers.ts'
import { type Clock, stopClock } from '../../support/clock.ts'
import { overhear } from '../../support/events.ts'
import { until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'
import type { Visitor } from '../../support/visitor.ts'

checkNothingUnhandled()

/** A server, somebody inside, and how that went when it is over. */
async function inside(
  name: (typeof kindNames)[number],
  idleTimeout: number,
  handler: (request: StreamRequest) => unknown
): Promise<{ server: ConnectionServer; visitor: Visitor; outcomes: Outcome<StreamRequest>[]; clock: Clock }> {
  const outcomes: Outcome<StreamRequest>[] = []
  const server = await bounded(name, { idleTimeout })
  const stage = parallel(handler)
  void (async () => {
    for await (const outcome of stage(server as AsyncIterable<StreamRequest>)) outcomes.push(outcome)
  })()
  const clock = stopClock()
  const visitor = visit(server)
  await visitor.heard('hello')
  return { server, visitor, outcomes, clock }
}

async function echo(request: StreamRequest): Promise<void> {
  await request.wfile.write('hello')
  await pipe(request, request)
}

describe.for(kindNames)('idleTimeout, %s', (name) => {
  it('cuts off whose read waits for so long with nothing coming, within a quarter more', async () => {
    using ended = overhear<EndEvent>('end')
    const { server, visitor, outcomes, clock } = await inside(name, 1_000, echo)
    visitor.send('!')
    await visitor.heard('hello!')
    await clock.pass(990)
    expect([outcomes, visitor.isOver]).toEqual([[], false])
    await clock.pass(270)
    await visitor.over()
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([{ status: 'aborted', reason: { code: 'ERR_REQUEST_ABORTED', cause: 'idle' } }])
    expect((outcomes[0] as { reason: Error }).reason.message).toMatch(/idleTimeout of 1000 ms/)
    expect(ended.messages).toMatchObject([{ server, outcome: { status: 'aborted', reason: { cause: 'idle' } } }])
    await until(() => server.stats().open === 0)
    expect(server.stats()).toMatchObject({ accepted: 1, failed: 1, served: 0, refused: 0 })
  })

  it('leaves alone who sends a byte now and then, for however long', async () => {
    const { visitor, outcomes, clock } = await inside(name, 1_000, echo)
    for (let i = 1; i <= 5; i++) {
      await clock.pass(700)
      visitor.send('!')
      await visitor.heard(`hello${'!'.repeat(i)}`)
    }
    expect(outcomes).toEqual([])
    await clock.pass(1_300)
    await visitor.over()
  })

  it('leaves alone a handler that computes, or only writes', async () => {
    let letGo = (): void => {}
    const { visitor, outcomes, clock } = await inside(name, 100, async (request) => {
      await request.wfile.write('hello')
      await new Promise<void>((resolve) => {
        letGo = resolve
      })
      await request.wfile.write(' goodbye')
    })
    await clock.pass(1_000)
    letGo()
    await visitor.heard('hello goodbye')
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([{ status: 'fulfilled' }])
  })

  it('leaves alone what has come and is not read, until it is', async () => {
    let read = (): void => {}
    const begun = new Promise<void>((resolve) => {
      read = resolve
    })
    const { visitor, outcomes, clock } = await inside(name, 100, async (request) => {
      await request.wfile.write('hello')
      await request.rfile.peek(1)
      await begun
      return String(await request.rfile.readLine())
    })
    visitor.send(`${'x'.repeat(10_000)}\n`)
    await clock.pass(1_000)
    read()
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([{ status: 'fulfilled', value: `${'x'.repeat(10_000)}\n` }])
  })

  it('is changed while running, also for those inside', async () => {
    const { server, visitor, outcomes, clock } = await inside(name, Number.POSITIVE_INFINITY, echo)
    await clock.pass(5_000)
    server.setLimits({ idleTimeout: 100 })
    await clock.pass(60)
    server.setLimits({ idleTimeout: 1_000 })
    await clock.pass(500)
    expect(outcomes).toEqual([])
    server.setLimits({ idleTimeout: Number.POSITIVE_INFINITY })
    await clock.pass(5_000)
    expect([outcomes, visitor.isOver]).toEqual([[], false])
    server.setLimits({ idleTimeout: 100 })
    await clock.pass(150)
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([{ status: 'aborted', reason: { cause: 'idle' } }])
  })
})

describe('idleTimeout', () => {
  it('ends a connection whose frames are read', async () => {
    using ended = overhear<EndEvent>('end')
    const server = await bounded('TCP, native', { idleTimeout: 100 })
    void (async () => {
      const frames = framed(lines())(server as AsyncIterable<Request>)
      for await (const _ of parallel((frame: Request) => pipe(frame, frame))(frames));
    })()
    const clock = stopClock()
    const visitor = visit(server)
    visitor.send('one\n')
    await visitor.heard('one\n')
    await clock.pass(150)
    await visitor.over()
    await until(() => ended.messages.length === 2)
    expect(ended.messages.map(({ outcome }) => outcome)).toMatchObject([
      { status: 'fulfilled' },
      { status: 'aborted', reason: { cause: 'idle' } }
    ])
  })

  it('leaves alone a client that is held up: its frames are with their handlers', async () => {
    const server = await bounded('TCP, native', { idleTimeout: 100 })
    let letGo = (): void => {}
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    void (async () => {
      const frames = framed(lines(), { maxInFlight: 1 })(server as AsyncIterable<Request>)
      for await (const _ of parallel(async (frame: Request) => {
        await held
        await pipe(frame, frame)
      })(frames));
    })()
    const clock = stopClock()
    const visitor = visit(server)
    visitor.send('one\ntwo\nthree\n')
    await until(() => server.stats().bytesIn > 0)
    await clock.pass(1_000)
    letGo()
    await visitor.heard('one\ntwo\nthree\n')
  })

  it('leaves alone a client whose frame is at work, though the next is read ahead, and not one that says nothing after', async () => {
    const server = await bounded('TCP, native', { idleTimeout: 100 })
    let letGo = (): void => {}
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    void (async () => {
      for await (const _ of parallel(async (frame: Request) => {
        await held
        await pipe(frame, frame)
      })(framed(lines())(server as AsyncIterable<Request>)));
    })()
    const clock = stopClock()
    const visitor = visit(server)
    visitor.send('one\n')
    await until(() => server.stats().bytesIn > 0)
    await clock.pass(1_000)
    expect(visitor.isOver).toBe(false)
    letGo()
    await visitor.heard('one\n')
    await clock.pass(130)
    await visitor.over()
  })

  it('does not hold up nor cut off one that lingers after its reply', async () => {
    const server = await bounded('TCP, native', { idleTimeout: 100, lingerTimeout: Number.POSITIVE_INFINITY })
    const reports: unknown[] = []
    void (async () => {
      for await (const outcome of parallel((request: StreamRequest) => request.wfile.write('hello'))(
        server as AsyncIterable<StreamRequest>
      ))
        reports.push(outcome)
    })()
    const clock = stopClock()
    const visitor = visit(server)
    await visitor.over()
    await until(() => reports.length === 1)
    await clock.pass(1_000)
    expect(server.stats()).toMatchObject({ open: 1, served: 1 })
    visitor.end()
    await until(() => server.stats().open === 0)
    expect(reports).toMatchObject([{ status: 'fulfilled' }])
  })

  it('tells a bare loop by the signal of its request', async () => {
    const server = await bounded('TCP, native', { idleTimeout: 100 })
    const clock = stopClock()
    visit(server)
    const { value: request } = (await server.requests({ closeOnReturn: false }).next()) as { value: StreamRequest }
    const reading = request.rfile.readLine()
    await Promise.all([expect(reading).rejects.toMatchObject({ cause: 'idle' }), clock.pass(150)])
    expect(request.signal.reason).toMatchObject({ cause: 'idle' })
    expect(server.stats().open).toBe(0)
  })
})
