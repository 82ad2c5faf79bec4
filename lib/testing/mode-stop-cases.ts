import assert from 'node:assert/strict'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { KitCase } from './kit.ts'
import { type Asked, type ModeSubject, runningMode } from './mode-subject.ts'
import { turns } from './trial.ts'

const causeOf = (outcome: Outcome<Request>): unknown =>
  outcome.status === 'fulfilled' ? undefined : (outcome.reason as { readonly cause?: unknown }).cause

/** The ways to stop: by the server, by whoever reads the outcomes, by the source. */
export const modeStopCases: readonly KitCase<ModeSubject>[] = [
  {
    name: 'ends when its server has closed, and again whenever it is asked',
    async run(trial, subject) {
      const { end, outcomes, server } = await runningMode(trial, subject)
      const parked = [end(), end()]
      await turns()
      await trial.soon('close() returns', server.close())
      await trial.soon('those who wait see the end', Promise.all(parked))
      await end()
      assert.equal((await trial.soon('return() returns', outcomes.return?.()))?.done, true)
    }
  },
  {
    name: 'serves what its server still hands over while that closes, and loses nothing',
    async run(trial, subject) {
      const { ask, gate, outcomes, server, source } = await runningMode(trial, subject)
      const { limit } = subject
      const asked: Asked[] = []
      for (let i = 0; i <= limit; i++) asked.push(await ask('gate', `request-${i}`))
      const seen: Outcome<Request>[] = []
      const reading = (async () => {
        for (let result = await outcomes.next(); result.done !== true; result = await outcomes.next()) {
          seen.push(result.value)
        }
      })()
      reading.catch(() => {})
      await trial.until('the limit is reached', () => gate.inside.length === limit)
      const closing = server.close()
      await turns()
      assert.equal(seen.length, 0, 'those at work go on')
      gate.open()
      const report = await trial.soon('close() returns', closing)
      await trial.soon('the outcomes end', reading)
      assert.deepEqual([report.aborted, report.stillOpen], [0, []])
      assert.deepEqual(new Set(seen.map(({ request }) => request)), new Set(source.taken))
      assert.equal(seen.length, source.taken.length)
      assert.ok(seen.length >= limit && seen.every(({ status }) => status === 'fulfilled'))
      for (const { reply } of asked.slice(0, limit)) {
        assert.match(await trial.soon('the reply comes', reply), /^request-\d+\n?$/)
      }
    }
  },
  {
    name: 'lets its handlers see that the server has begun to close',
    async run(trial, subject) {
      const { ask, end, gate, outcome, server } = await runningMode(trial, subject)
      const coming = outcome()
      const { reply } = await ask('stopping', 'finished')
      await trial.until('one is at work', () => gate.notes.includes('inside'))
      assert.deepEqual(gate.notes, ['inside'])
      const closing = server.close()
      assert.equal((await coming).status, 'fulfilled')
      assert.deepEqual(gate.notes, ['inside', 'stopping'])
      assert.equal((await trial.soon('the reply comes', reply)).trim(), 'finished')
      assert.equal((await trial.soon('close() returns', closing)).aborted, 0)
      await end()
    }
  },
  {
    name: 'cuts off at the deadline what never ends, and its handler sees that',
    async run(trial, subject) {
      const { ask, end, errors, gate, outcome, server, source } = await runningMode(trial, subject)
      const coming = outcome()
      await ask('for-ever')
      await trial.until('one is at work', () => gate.notes.includes('inside'))
      const report = await trial.soon('close() returns', server.close({ deadline: 1 }))
      assert.equal(report.aborted, 1)
      const seen = await coming
      assert.deepEqual([seen.status, causeOf(seen)], ['aborted', 'deadline'])
      assert.equal(seen.request, source.taken[0])
      await end()
      await trial.until('the handler sees it', () => gate.notes.length === 2)
      assert.deepEqual(gate.notes, ['inside', 'deadline'])
      assert.deepEqual(errors, [(seen as { readonly reason?: unknown }).reason], 'handleError() hears of it')
    }
  },
  {
    name: 'gives its source back when it is left, without waiting, and finishes what is at work',
    async run(trial, subject) {
      const { ask, end, gate, outcomes, server, source } = await runningMode(trial, subject)
      const { limit } = subject
      const parked = outcomes.next()
      const asked: Asked[] = []
      for (let i = 0; i < limit; i++) asked.push(await ask('gate', `request-${i}`))
      await trial.until('all are at work', () => gate.inside.length === limit)
      let hasLeft = false
      const leaving = Promise.resolve(outcomes.return?.()).then((result) => {
        hasLeft = true
        return result
      })
      await trial.until('the source is given back', () => source.returned)
      assert.equal((await trial.soon('the reader sees the end', parked)).done, true)
      await turns()
      assert.deepEqual([hasLeft, gate.inside.length], [false, limit], 'it waits for those at work')
      gate.open()
      assert.equal((await trial.soon('return() returns', leaving))?.done, true)
      const replies = await trial.soon('all replies come', Promise.all(asked.map(({ reply }) => reply)))
      assert.deepEqual(
        replies.map((reply) => reply.trim()),
        asked.map((_, i) => `request-${i}`)
      )
      assert.deepEqual([server.stats().served, server.stats().failed], [limit, 0])
      assert.equal(source.taken.length, limit)
      await end()
    }
  },
  {
    name: 'refuses what comes after it was left',
    async run(trial, subject) {
      const { ask, end, errors, gate, outcomes, server, source } = await runningMode(trial, subject)
      source.isDeaf = true
      const parked = outcomes.next()
      await trial.until('a request is asked for', () => source.asked === 1)
      await trial.soon('return() returns', outcomes.return?.())
      assert.equal((await trial.soon('the reader sees the end', parked)).done, true)
      const { reply } = await ask('gate')
      await trial.until('a request is refused', () => server.stats().refused === 1)
      assert.equal(source.taken.length, 1)
      let gone = false
      source.taken[0]?.whenClosed(() => {
        gone = true
      })
      await trial.until('it is closed', () => gone)
      reply.catch(() => {})
      assert.deepEqual([gate.most, errors.length, source.asked], [0, 0, 0])
      await end()
    }
  },
  {
    name: 'ends with the error of its source, after what is at work',
    async run(trial, subject) {
      const { ask, end, gate, outcome, outcomes, source } = await runningMode(trial, subject)
      source.failure = new Error('no more')
      const first = outcome()
      const { reply } = await ask('gate', 'the-last')
      await trial.until('one is at work', () => gate.inside.length === 1)
      const second = outcomes.next()
      let failure: unknown
      second.catch((error: unknown) => {
        failure = error
      })
      await turns()
      assert.equal(failure, undefined, 'one is at work still')
      gate.letGo()
      assert.equal((await first).status, 'fulfilled')
      assert.equal((await trial.soon('the reply comes', reply)).trim(), 'the-last')
      await assert.rejects(trial.soon('the error comes', second), source.failure)
      await end()
    }
  }
]
