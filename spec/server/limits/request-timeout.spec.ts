import { createSocket } from 'node:dgram'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type EndEvent, type Outcome, parallel, type Request, type StreamRequest } from '../../../lib/index.ts'
import { MemoryDatagramServer } from '../../../lib/testing/entry.ts'
import { bounded, kindNames, visit } from '../../support/bounded-servers.ts'
import { stopClock } from '../../support/clock.ts'
import { Counter } from '../../support/counter.ts'
import { overhear } from '../../support/events.ts'
import { quiet } from '../../support/quiet.ts'
import { udp } from '../../support/servers.ts'
import { until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

/** Runs until its request is aborted. */
async function dawdle(request: Request): Promise<void> {
  await new Promise<void>((resolve) => request.signal.addEventListener('abort', () => resolve()))
}

function serve<R extends Request>(
  server: AsyncIterable<R>,
  handler: (request: R) => unknown,
  outcomes: Outcome<R>[] = []
): Outcome<R>[] {
  void (async () => {
    for await (const outcome of parallel(handler, { limit: 1_000 })(server)) outcomes.push(outcome)
  })()
  return outcomes
}

const timedOut = { status: 'aborted', reason: { code: 'ERR_REQUEST_ABORTED', cause: 'timeout' } }

describe.for(kindNames)('requestTimeout, %s', (name) => {
  it('cuts off who takes longer, whatever comes meanwhile, within a quarter more', async () => {
    using ended = overhear<EndEvent>('end')
    const server = await bounded(name)
    server.setLimits({ requestTimeout: 1_000 })
    const clock = stopClock()
    const outcomes = serve(server as AsyncIterable<StreamRequest>, async (request) => {
      await request.wfile.write('hello')
      for await (const bytes of request.source) await request.wfile.write(Buffer.from(bytes.subarray()))
    })
    const visitor = visit(server)
    await visitor.heard('hello')
    for (let i = 1; i <= 9; i++) {
      await clock.pass(100)
      visitor.send('!')
      await visitor.heard(`hello${'!'.repeat(i)}`)
    }
    expect(outcomes).toEqual([])
    await clock.pass(350)
    await visitor.over()
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([timedOut])
    expect((outcomes[0] as { reason: Error }).reason.message).toMatch(/requestTimeout of 1000 ms/)
    expect(ended.messages).toMatchObject([{ server, outcome: timedOut }])
    await until(() => server.stats().open === 0)
    expect(server.stats()).toMatchObject({ accepted: 1, failed: 1 })
  })
})

describe('requestTimeout', () => {
  it('holds for datagrams, whose replies are not sent then', async () => {
    const server = await udp({ requestTimeout: 100 })
    const clock = stopClock()
    const outcomes = serve(server, async (request) => {
      await request.wfile.write('too late')
      await dawdle(request)
    })
    const client = createSocket('udp4')
    onTestFinished(() => void client.close())
    client.send('x', server.address.port, server.address.host)
    await until(() => server.stats().open === 1)
    await clock.pass(150)
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([timedOut])
    expect(server.stats()).toMatchObject({ failed: 1, open: 0, bytesOut: 0 })
  })

  it('holds for datagrams in memory', async () => {
    const server = quiet(new MemoryDatagramServer({ requestTimeout: 100 }))
    onTestFinished(async () => void (await server.close({ deadline: 0 })))
    await server.listen()
    const clock = stopClock()
    const outcomes = serve(server, dawdle)
    const reply = server.send('x')
    await until(() => server.stats().open === 1)
    await clock.pass(150)
    expect(await reply).toBe(undefined)
    expect(outcomes).toMatchObject([timedOut])
  })

  it('holds for rows, which are given back', async () => {
    const server = new Counter({ requestTimeout: 100 })
    onTestFinished(async () => void (await server.close({ deadline: 0 })))
    const clock = stopClock()
    const outcomes = serve(server, async (request) => {
      if (request.packet.toString() === 'slow') await dawdle(request)
    })
    server.put('quick', 'slow')
    await until(() => server.stats().open === 1)
    await clock.pass(150)
    await until(() => outcomes.length === 2)
    expect(outcomes).toMatchObject([{ status: 'fulfilled' }, timedOut])
    expect(Object.fromEntries(server.ended)).toEqual({ quick: 'fulfilled', slow: 'aborted' })
    expect(server.stats()).toMatchObject({ served: 1, failed: 1, open: 0 })
  })

  it('begins with the hand-out: who waits in the kernel, or here, does not lose by it', async () => {
    for (const name of ['TCP, native', "TCP, Node's"] as const) {
      const server = await bounded(name, { requestTimeout: 100 })
      const visitor = visit(server)
      if (name === "TCP, Node's") await until(() => server.stats().waiting === 1)
      const clock = stopClock()
      await clock.pass(1_000)
      serve(server as AsyncIterable<StreamRequest>, async (request) => {
        await request.wfile.write('hello')
      })
      await visitor.heard('hello')
      await until(() => server.stats().served === 1)
      clock.goOn()
    }
  })

  it('is changed while running, also for those inside', async () => {
    const server = await bounded('TCP, native')
    const clock = stopClock()
    const outcomes = serve(server as AsyncIterable<StreamRequest>, dawdle)
    visit(server)
    await until(() => server.stats().open === 1)
    await clock.pass(10_000)
    server.setLimits({ requestTimeout: 20_000 })
    await clock.pass(5_000)
    expect(outcomes).toEqual([])
    server.setLimits({ requestTimeout: 1_000 })
    await clock.pass(150)
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([timedOut])
  })

  it('ends the request of a handler that goes on all the same, which is told once it returns', async () => {
    let letGo = (): void => {}
    const server = await bounded('TCP, native', { requestTimeout: 100 })
    const clock = stopClock()
    const outcomes = serve(
      server as AsyncIterable<StreamRequest>,
      () =>
        new Promise<void>((resolve) => {
          letGo = resolve
        })
    )
    const visitor = visit(server)
    await until(() => server.stats().open === 1)
    await clock.pass(150)
    await visitor.over()
    expect([outcomes, server.stats().open]).toEqual([[], 1])
    letGo()
    await until(() => outcomes.length === 1)
    expect(outcomes).toMatchObject([timedOut])
    expect(server.stats().open).toBe(0)
  })
})
