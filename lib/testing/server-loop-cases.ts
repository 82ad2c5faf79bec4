import assert from 'node:assert/strict'
import { drain } from '../flow/drain.ts'
import { parallel } from '../flow/parallel.ts'
import { sequential } from '../flow/sequential.ts'
import type { Request } from '../request.ts'
import type { KitCase } from './kit.ts'
import { echo, Gate, listeningServer, type ServerSubject, testedServer } from './server-subject.ts'
import { turns } from './trial.ts'

const inputs = (many: number): string[] => Array.from({ length: many }, (_, i) => `request ${i}`)

async function answer(request: Request): Promise<void> {
  await echo(request)
  await request.close()
}

/** How requests are taken and served. */
export const serverLoopCases: readonly KitCase<ServerSubject>[] = [
  {
    name: 'serves one request at a time where that is said',
    async run(trial, subject) {
      const { server, askAll } = await listeningServer(trial, subject)
      const gate = new Gate()
      const asked = await askAll(inputs(4))
      const serving = server.serveForever(sequential(gate.handler))
      for (const [i, { reply }] of asked.entries()) {
        await trial.until('one is inside', () => gate.inside === 1)
        await turns(3)
        gate.one()
        assert.equal(await trial.soon('the reply comes', reply), `request ${i}`)
      }
      assert.equal(gate.most, 1)
      await trial.soon('close() returns', server.close())
      await trial.soon('serveForever() returns', serving)
    }
  },
  {
    name: 'serves as many at a time as the limit says, and never one more',
    async run(trial, subject) {
      const { server, askAll } = await listeningServer(trial, subject)
      const gate = new Gate()
      const serving = server.serveForever(parallel(gate.handler, { limit: 3 }))
      const asked = await askAll(inputs(8))
      for (let left = 8; left > 0; left--) {
        await trial.until('the limit is reached', () => gate.inside === Math.min(3, left))
        await turns(3)
        // Those served, whose last bytes are leaving, are open a moment longer.
        if (subject.onDemand !== true) assert.ok(server.stats().waiting >= left - 3 - (8 - left))
        gate.one()
        await trial.until('one goes', () => gate.inside < Math.min(3, left) || left > 3)
      }
      const replies = await trial.soon('all replies come', Promise.all(asked.map(({ reply }) => reply)))
      assert.deepEqual(replies.sort(), inputs(8))
      assert.equal(gate.most, 3)
      await trial.soon('close() returns', server.close())
      await trial.soon('serveForever() returns', serving)
    }
  },
  {
    name: 'shares its requests among several loops, each to one of them',
    async run(trial, subject) {
      const { server, ask } = await listeningServer(trial, subject)
      const seen: string[] = []
      const loops = ['a', 'b', 'c'].map(async (name) => {
        for await (const request of server) {
          seen.push(name)
          await answer(request)
        }
      })
      for (const input of inputs(9)) {
        assert.equal(await trial.soon('the reply comes', (await ask(input)).reply), input)
      }
      assert.equal(seen.length, 9)
      assert.deepEqual([...new Set(seen)].sort(), ['a', 'b', 'c'], 'each loop has its share')
      await trial.soon('close() returns', server.close())
      await trial.soon('all loops end', Promise.all(loops))
    }
  },
  {
    name: 'closes when a loop is left, ends the other loops, and does not wait for who is inside',
    async run(trial, subject) {
      const { server, ask } = await listeningServer(trial, subject)
      const other = server.requests()
      const first = server.requests()
      const taken = first.next()
      const parked = other.next()
      const { reply } = await ask('inside')
      const request = (await trial.soon('a request comes', taken)).value as Request
      await trial.soon('leaving returns', first.return?.())
      assert.equal(server.stopping.aborted, true)
      assert.deepEqual(await trial.soon('the other loop ends', parked), { done: true, value: undefined })
      assert.equal(request.signal.aborted, false)
      await answer(request)
      assert.equal(await trial.soon('the reply comes', reply), 'inside')
      assert.equal((await trial.soon('the server closes', server.closed)).aborted, 0)
    }
  },
  {
    name: 'can be left and taken up again with `closeOnReturn: false`, and loses nothing',
    async run(trial, subject) {
      const { server, askAll } = await listeningServer(trial, subject)
      const impatient = server.requests({ closeOnReturn: false })
      const parked = impatient.next()
      await impatient.return?.()
      assert.equal((await parked).done, true)
      const asked = await askAll(inputs(3))
      for (const [i, { reply }] of asked.entries()) {
        for await (const request of server.requests({ closeOnReturn: false })) {
          await answer(request)
          break
        }
        assert.equal(await trial.soon('the reply comes', reply), `request ${i}`)
      }
      assert.equal(server.stopping.aborted, false)
    }
  },
  {
    name: 'listens by itself where it is iterated',
    async run(trial, subject) {
      const { server, ask } = testedServer(trial, subject)
      const first = server[Symbol.asyncIterator]().next()
      await trial.soon('listen() returns', server.listen())
      const { reply } = await ask('early')
      await answer((await trial.soon('a request comes', first)).value as Request)
      assert.equal(await trial.soon('the reply comes', reply), 'early')
    }
  },
  {
    name: 'handles one request, or calls handleTimeout() where none comes in time',
    async run(trial, subject) {
      const { server, ask, askAll } = await listeningServer(trial, subject)
      let late = 0
      server.handleTimeout = () => void late++
      assert.equal(await trial.soon('the time is up', server.handleRequest(echo, { timeout: 1 })), undefined)
      assert.equal(late, 1)
      const waiting = server.handleRequest(echo)
      const { reply } = await ask('one')
      assert.equal((await trial.soon('it is handled', waiting))?.status, 'fulfilled')
      assert.equal(await trial.soon('the reply comes', reply), 'one')
      const asked = await askAll(['two', 'three'])
      for (const [i, input] of ['two', 'three'].entries()) {
        const outcome = await trial.soon('it is handled', server.handleRequest(echo, { timeout: 60_000 }))
        assert.ok(outcome?.status === 'fulfilled' && outcome.value === input)
        assert.equal(await trial.soon('the reply comes', asked[i]?.reply), input)
      }
      assert.equal(late, 1)
      assert.equal(server.stats().served, 3)
    }
  },
  {
    name: 'shows nobody what verifyRequest() refuses, or throws on, and goes on',
    async run(trial, subject) {
      const { server, ask, askAll, errors } = await listeningServer(trial, subject)
      let verdicts = 0
      server.verifyRequest = () => {
        verdicts++
        if (verdicts === 2) throw new Error('cannot tell')
        return verdicts === 1 ? false : Promise.resolve(verdicts === 4)
      }
      await askAll(inputs(3))
      const seen: unknown[] = []
      const serving = (async () => {
        for await (const outcome of sequential(echo)(server)) seen.push(outcome.status)
      })()
      await trial.until('three are refused', () => server.stats().refused === 3)
      assert.equal(await trial.soon('the reply comes', (await ask('fourth')).reply), 'fourth')
      await trial.soon('close() returns', server.close())
      await trial.soon('the loop ends', serving)
      assert.deepEqual(seen, ['fulfilled'])
      assert.deepEqual(
        errors.map((error) => (error as Error).message),
        ['cannot tell']
      )
      const { accepted, refused, served, failed } = server.stats()
      assert.deepEqual({ accepted, refused, served, failed }, { accepted: 4, refused: 3, served: 1, failed: 0 })
    }
  },
  ...[sequential, parallel].map(
    (mode): KitCase<ServerSubject> => ({
      name: `goes on where a handler throws, and tells handleError(): ${mode.name}`,
      async run(trial, subject) {
        const { server, ask, errors } = await listeningServer(trial, subject)
        const statuses: string[] = []
        const serving = (async () => {
          const served = mode(async (request: Request) => {
            if ((await request.rfile.peek(3)).toString() === 'bad') throw new Error('bad')
            return echo(request)
          })(server)
          for await (const { status } of served) statuses.push(status)
        })()
        for (const input of ['bad', 'good', 'bad', 'better']) {
          const { reply } = await ask(input)
          if (input !== 'bad') assert.equal(await trial.soon('the reply comes', reply), input)
        }
        await trial.soon('close() returns', server.close())
        await trial.soon('the loop ends', serving)
        assert.deepEqual(statuses, ['rejected', 'fulfilled', 'rejected', 'fulfilled'])
        assert.equal(errors.length, 2)
        const { accepted, served, failed, open } = server.stats()
        assert.deepEqual({ accepted, served, failed, open }, { accepted: 4, served: 2, failed: 2, open: 0 })
      }
    })
  ),
  {
    name: 'ends a pipeline that nobody feeds, when it is closed',
    async run(trial, subject) {
      const { server } = await listeningServer(trial, subject)
      const loops = [drain(server), drain(parallel(echo)(server)), server.serveForever(sequential(echo))]
      await turns()
      await trial.soon('close() returns', server.close())
      await trial.soon('every loop ends', Promise.all(loops))
    }
  }
]
