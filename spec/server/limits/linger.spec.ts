import { describe, expect, it } from 'vitest'
import { type LimitEvent, parallel, type StreamRequest } from '../../../lib/index.ts'
import { bounded, type ConnectionServer, kindNames, visit } from '../../support/bounded-servers.ts'
import { stopClock } from '../../support/clock.ts'
import { overhear } from '../../support/events.ts'
import { until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

function serve(server: ConnectionServer): void {
  void server.serveForever(
    parallel(
      async (request: StreamRequest) => {
        await request.wfile.write('reply')
      },
      { limit: 1_000 }
    )
  )
}

describe.for(kindNames)('after the close, %s', (name) => {
  it('lingerTimeout is how long the end of the peer is awaited, and tells', async () => {
    using limits = overhear<LimitEvent>('limit')
    const server = await bounded(name, { lingerTimeout: 500 })
    const clock = stopClock()
    serve(server)
    const visitor = visit(server)
    await visitor.heard('reply')
    await until(() => server.stats().served === 1)
    await clock.pass(480)
    expect(server.stats().open).toBe(1)
    await clock.pass(30)
    await until(() => server.stats().open === 0)
    expect(limits.messages).toMatchObject([{ server, limit: 'lingerTimeout', value: 500 }])
    // It was served: that is over for it.
    expect(server.stats()).toMatchObject({ served: 1, failed: 0 })
    server.setLimits({ lingerTimeout: Number.POSITIVE_INFINITY })
    const patient = visit(server)
    await patient.heard('reply')
    await clock.pass(5_000)
    expect(server.stats().open).toBe(1)
    server.setLimits({ lingerTimeout: 0 })
    await visit(server).heard('reply')
    await clock.pass(5)
    await until(() => server.stats().served === 3 && server.stats().open === 1)
    patient.end()
    await until(() => server.stats().open === 0)
    expect(limits.messages.map(({ value }) => value)).toEqual([500, 0])
  })

  it('maxLingerBytes is how much of what still comes is dropped, and tells', async () => {
    using limits = overhear<LimitEvent>('limit')
    const server = await bounded(name, { lingerTimeout: Number.POSITIVE_INFINITY, maxLingerBytes: 1_000 })
    serve(server)
    const visitor = visit(server)
    await visitor.heard('reply')
    await until(() => server.stats().served === 1)
    visitor.send('x'.repeat(999))
    await until(() => server.stats().bytesIn === 999)
    expect([server.stats().open, limits.messages]).toEqual([1, []])
    visitor.send('x')
    await limits.count(1)
    await until(() => server.stats().open === 0)
    expect(limits.messages).toMatchObject([{ server, limit: 'maxLingerBytes', value: 1_000 }])
    server.setLimits({ maxLingerBytes: Number.POSITIVE_INFINITY })
    const verbose = visit(server)
    await verbose.heard('reply')
    verbose.send('x'.repeat(200_000))
    verbose.end()
    await until(() => server.stats().open === 0 && server.stats().served === 2)
    expect(server.stats().bytesIn).toBe(201_000)
    expect(limits.messages).toHaveLength(1)
  })

  it('maxLingerBytes of 0 cuts at the first byte', async () => {
    using limits = overhear<LimitEvent>('limit')
    const server = await bounded(name, { lingerTimeout: Number.POSITIVE_INFINITY, maxLingerBytes: 0 })
    serve(server)
    await visit(server).heard('reply')
    await limits.count(1)
    await until(() => server.stats().open === 0)
    expect(server.stats()).toMatchObject({ served: 1, failed: 0 })
  })
})
