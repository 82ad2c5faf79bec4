import assert from 'node:assert/strict'
import { threadId } from 'node:worker_threads'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { KitCase } from './kit.ts'
import type { Ran } from './mode-handler.ts'
import { type Asked, type ModeSubject, runningMode } from './mode-subject.ts'
import type { AnyServer } from './server-subject.ts'
import { turns } from './trial.ts'

const names = (many: number): string[] => Array.from({ length: many }, (_, i) => `request-${i}`)

/** What a handler has returned, that must have ended well. */
function ranOf(outcome: Outcome<Request>): Ran {
  assert.equal(outcome.status, 'fulfilled')
  return (outcome as { readonly value: Ran }).value
}

/** How requests are taken and served, and what is told of them. */
export const modeServingCases: readonly KitCase<ModeSubject>[] = [
  {
    name: 'has as many requests at work as its limit says, and leaves the next one with its source',
    async run(trial, subject) {
      const { ask, gate, source, outcome } = await runningMode(trial, subject)
      const { limit } = subject
      const asked: Asked[] = []
      for (const name of names(limit + 2)) asked.push(await ask('gate', name))
      for (let served = 0; served < asked.length; served++) {
        const next = outcome()
        const most = Math.min(limit, asked.length - served)
        await trial.until(`${most} are at work`, () => gate.inside.length === most)
        await turns(3)
        assert.equal(source.taken.length, served + most, 'as many were taken as can be served')
        gate.letGo()
        await next
      }
      assert.equal(gate.most, limit, 'so many were at work at a time')
      for (const [i, { reply }] of asked.entries()) {
        assert.equal((await trial.soon('the reply comes', reply)).trim(), `request-${i}`)
      }
    }
  },
  {
    name: 'yields one outcome for each request, in the order in which they finish, and tells all of it',
    async run(trial, subject) {
      const { ask, gate, source, outcome, server } = await runningMode(trial, subject)
      const { limit, runsIn = 'here' } = subject
      const order = names(limit).reverse()
      const first = outcome()
      for (const name of names(limit)) await ask('gate', name)
      await trial.until('all are at work', () => gate.inside.length === limit)
      for (const [i, name] of order.entries()) {
        gate.letGo(name)
        await trial.until('one more is served', () => server.stats().served === i + 1)
      }
      const seen = [await first]
      while (seen.length < limit) seen.push(await outcome())
      assert.deepEqual(
        seen.map((one) => ranOf(one).name),
        order
      )
      assert.deepEqual(new Set(seen.map(({ request }) => request)), new Set(source.taken), 'each request once')
      for (const one of seen) {
        const { elapsed, ranBy, request } = one
        const ran = ranOf(one)
        assert.ok(Number.isFinite(elapsed) && elapsed > 0, `it took some time: ${elapsed}`)
        assert.equal(request.held, false, 'it is held no longer')
        if (runsIn === 'here') {
          assert.equal(ranBy, undefined)
          assert.deepEqual([ran.pid, ran.threadId], [process.pid, threadId])
        } else if (runsIn === 'threads') {
          assert.deepEqual(ranBy, { pid: process.pid, threadId: ran.threadId })
          assert.notEqual(ran.threadId, threadId)
        } else {
          assert.deepEqual(ranBy, { pid: ran.pid })
          assert.notEqual(ran.pid, process.pid)
        }
      }
    }
  },
  {
    name: 'gives each of several readers an outcome of its own',
    async run(trial, subject) {
      const { ask, outcomes, server } = await runningMode(trial, subject)
      const reading = [outcomes.next(), outcomes.next(), outcomes.next()]
      for (const name of names(2)) await ask('echo', name)
      const seen = await trial.soon('two outcomes come', Promise.all(reading.slice(0, 2)))
      assert.deepEqual(seen.map(({ value }) => ranOf(value as Outcome<Request>).name).sort(), names(2))
      await trial.soon('close() returns', server.close())
      assert.equal(
        (await trial.soon('the last reader sees the end', reading[2] as Promise<{ done?: boolean }>)).done,
        true
      )
    }
  },
  {
    name: 'takes no more than its limit ahead of who reads the outcomes',
    async run(trial, subject) {
      const { ask, outcome, server, source } = await runningMode(trial, subject)
      const { limit } = subject
      const first = outcome()
      const inputs = names(2 * limit + 2)
      for (const name of inputs) await ask('echo', name)
      const seen = [ranOf(await first).name]
      for (;;) {
        await trial.until('those at work are served', () => server.stats().served === source.taken.length)
        await turns()
        assert.ok(source.taken.length <= seen.length + limit, `${source.taken.length} were taken, ${seen.length} read`)
        if (seen.length === inputs.length) break
        seen.push(ranOf(await outcome()).name)
      }
      assert.deepEqual(seen.sort(), inputs)
    }
  },
  {
    name: 'serves through processRequest() and closeRequest() of the server, once for each request',
    async run(trial, subject) {
      const steps = new Map<Request, string[]>()
      const tested = await runningMode(trial, subject, (server) => trace(server, steps))
      for (const does of ['echo', 'throw', 'echo']) {
        const coming = tested.outcome()
        await tested.ask(does)
        const { request, status } = await coming
        assert.deepEqual(steps.get(request), ['process', 'processed', `close: ${status}`])
      }
      await trial.soon('close() returns', tested.server.close())
      await tested.end()
      const served = tested.source.taken.map((request) => steps.get(request)?.length)
      assert.deepEqual(served, [3, 3, 3], 'and no more')
    }
  },
  {
    name: 'leaves out the work that processRequest() does not run',
    async run(trial, subject) {
      const { ask, outcome, gate, errors } = await runningMode(trial, subject, (server) => {
        server.processRequest = () => {}
      })
      const coming = outcome()
      await ask('gate')
      const { status, ...rest } = await coming
      assert.equal(status, 'aborted')
      assert.equal((rest as { readonly reason?: { readonly cause?: unknown } }).reason?.cause, 'refused')
      assert.deepEqual([gate.most, errors.length], [0, 0])
    }
  }
]

/** Keep what is called for each request. */
function trace(server: AnyServer, steps: Map<Request, string[]>): void {
  const note = (request: Request, step: string): void => {
    steps.set(request, [...(steps.get(request) ?? []), step])
  }
  const processRequest = server.processRequest.bind(server)
  const closeRequest = server.closeRequest.bind(server)
  server.processRequest = async (request, work) => {
    note(request, 'process')
    try {
      await processRequest(request, work)
    } finally {
      note(request, 'processed')
    }
  }
  server.closeRequest = (request, outcome) => {
    note(request, `close: ${outcome.status}`)
    return closeRequest(request, outcome)
  }
}
