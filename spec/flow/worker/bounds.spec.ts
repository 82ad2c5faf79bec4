import { existsSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { forked, type Outcome, type Request, type StreamRequest, type WorkerEvent } from '../../../lib/index.ts'
import { bounded, visit } from '../../support/bounded-servers.ts'
import { stopClock } from '../../support/clock.ts'
import { overhear } from '../../support/events.ts'
import { handlerModule } from '../../support/handler-module.ts'
import { temporaryPath } from '../../support/peers.ts'
import { until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

describe('what a pool bounds', () => {
  it('is sent to a child that does not claim: 16 connections, and the others go to another child', async () => {
    // The loop of the first child stands still until there is a file.
    const [go, stuck] = [temporaryPath(), temporaryPath()]
    const handler = handlerModule(`
      import { existsSync, writeFileSync } from 'node:fs'
      export default async ({ rfile, wfile }) => {
        const line = String(await rfile.readLine({ chomp: true }))
        if (line === 'stop') {
          writeFileSync('${stuck}', '')
          while (!existsSync('${go}'));
        }
        await wfile.write(line)
      }
    `)
    const server = await bounded('TCP, native')
    const outcomes: Outcome<Request>[] = []
    void (async () => {
      const children = forked(handler, {
        maxChildren: 2,
        maxRequestsPerChildInFlight: 1_000,
        timeout: Number.POSITIVE_INFINITY
      })
      for await (const outcome of children(server as AsyncIterable<Request>)) outcomes.push(outcome)
    })()
    const first = visit(server)
    first.send('stop\n')
    await until(() => existsSync(stuck))
    const many = 80
    const visitors = Array.from({ length: many }, () => visit(server))
    for (const visitor of visitors) visitor.send('go on\n')
    const served = (): number => visitors.filter(({ text }) => text === 'go on').length
    await until(() => served() >= many - 16)
    for (const visitor of visitors) visitor.end()
    expect(first.text).toBe('')
    writeFileSync(go, '')
    await first.heard('stop')
    first.end()
    await until(() => served() === many)
    await until(() => outcomes.length === many + 1)
    expect(outcomes.every(({ status }) => status === 'fulfilled')).toBe(true)
  })

  it('is how long a child may stay whose last request has gone: 3 s', async () => {
    using workers = overhear<WorkerEvent>('worker')
    // Its connection lingers, as its client does not end.
    const handler = handlerModule('export default ({ wfile }) => wfile.write("done")')
    const server = await bounded('TCP, native', { lingerTimeout: Number.POSITIVE_INFINITY })
    // Those of other tests may still be going.
    const mine = (): WorkerEvent[] => {
      const first = workers.messages.find(({ state }) => state === 'start')
      return workers.messages.filter(({ runner }) => runner === first?.runner)
    }
    const exits = (): (string | undefined)[] =>
      mine()
        .filter(({ state }) => state === 'exit')
        .map(({ reason }) => reason)
    const clock = stopClock()
    const children = forked<StreamRequest>(handler, { maxChildren: 1, requestsPerChild: 1, spares: 0 })
    void server.serveForever(children)
    const visitor = visit(server)
    await visitor.heard('done')
    await until(() => server.stats().served === 1)
    await clock.pass(2_900)
    expect(exits()).toEqual([])
    await clock.pass(200)
    await until(() => exits().length === 1)
    expect(exits()[0]).toContain('SIGKILL')
    await visitor.over()
  })
})
