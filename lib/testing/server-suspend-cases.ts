import assert from 'node:assert/strict'
import { drain } from '../flow/drain.ts'
import { parallel } from '../flow/parallel.ts'
import { sequential } from '../flow/sequential.ts'
import { mayReject } from '../iterator/deferred.ts'
import type { KitCase } from './kit.ts'
import {
  echo,
  Gate,
  keepsSuspended,
  listeningServer,
  type ServerSubject,
  type TestedServer,
  testedServer
} from './server-subject.ts'
import { turns } from './trial.ts'

const inputs = (many: number): string[] => Array.from({ length: many }, (_, i) => `request ${i}`)

/** Ask, one after the other, whoever takes them in or not. */
async function askThem(ask: TestedServer['ask'], questions: readonly string[]): Promise<{ reply: Promise<string> }[]> {
  const asked: { reply: Promise<string> }[] = []
  for (const question of questions) asked.push(await ask(question))
  return asked
}

const turnedAway = (server: ReturnType<ServerSubject['server']>): number => {
  const { refusedBy, droppedBy } = server.stats()
  return refusedBy.suspended + droppedBy.suspended
}

/** How a server takes nobody in for a while. */
export const serverSuspendCases: readonly KitCase<ServerSubject>[] = [
  {
    name: 'leaves outside who comes while it is suspended, and serves them where it is resumed',
    when: keepsSuspended,
    async run(trial, subject) {
      const { server, ask } = await listeningServer(trial, subject)
      const serving = server.serveForever(parallel(echo))
      assert.equal(await trial.soon('the reply comes', (await ask('before')).reply), 'before')
      assert.equal(server.suspended, false)
      server.suspend()
      assert.equal(server.suspended, true)
      const asked = await askThem(ask, inputs(4))
      await turns()
      // What getRequest() was asked for before may come still.
      const { accepted, refused, dropped } = server.stats()
      assert.ok(accepted <= 2, `it took ${accepted - 1} in while it was suspended`)
      assert.deepEqual([refused, dropped], [0, 0])
      server.resume()
      assert.equal(server.suspended, false)
      const replies = await trial.soon('all replies come', Promise.all(asked.map(({ reply }) => reply)))
      assert.deepEqual(replies, inputs(4))
      await trial.soon('close() returns', server.close())
      await trial.soon('serveForever() returns', serving)
    }
  },
  {
    name: 'refuses who comes while it is suspended, counted with the reason, and goes on where it is resumed',
    when: (subject) => !keepsSuspended(subject),
    async run(trial, subject) {
      const { server, ask } = await listeningServer(trial, subject)
      const serving = server.serveForever(parallel(echo))
      assert.equal(await trial.soon('the reply comes', (await ask('before')).reply), 'before')
      server.suspend()
      assert.equal(server.suspended, true)
      for (const input of inputs(3)) await ask(input)
      await trial.until('three are refused', () => turnedAway(server) === 3)
      const { refused, dropped, served } = server.stats()
      assert.deepEqual([refused + dropped, served], [3, 1])
      server.resume()
      assert.equal(server.suspended, false)
      assert.equal(await trial.soon('the reply comes', (await ask('after')).reply), 'after')
      await trial.soon('close() returns', server.close())
      await trial.soon('serveForever() returns', serving)
    }
  },
  {
    name: 'serves those inside while it is suspended, and those whom it has taken in before',
    async run(trial, subject) {
      const { server, askAll } = await listeningServer(trial, subject)
      const gate = new Gate()
      const serving = server.serveForever(sequential(gate.handler))
      const asked = await askAll(inputs(3))
      await trial.until('one is inside', () => gate.inside === 1)
      server.suspend()
      await turns()
      assert.equal(gate.first?.signal.aborted, false)
      gate.open()
      assert.equal(await trial.soon('the first reply comes', asked[0]?.reply), 'request 0')
      if (subject.onDemand === true) {
        await turns()
        server.resume()
      }
      const replies = await trial.soon('all replies come', Promise.all(asked.map(({ reply }) => reply)))
      assert.deepEqual(replies, inputs(3))
      await trial.soon('close() returns', server.close())
      await trial.soon('serveForever() returns', serving)
    }
  },
  {
    name: 'serves at its close those who came while it was suspended, where a loop runs',
    when: keepsSuspended,
    async run(trial, subject) {
      const { server, ask } = await listeningServer(trial, subject)
      const serving = server.serveForever(sequential(echo))
      server.suspend()
      const asked = await askThem(ask, inputs(3))
      await turns()
      const report = await trial.soon('close() returns', server.close())
      const replies = await trial.soon('all replies come', Promise.all(asked.map(({ reply }) => reply)))
      assert.deepEqual(replies, inputs(3))
      assert.deepEqual(report, { finished: 3, aborted: 0, refused: 0, stillOpen: [] })
      await trial.soon('serveForever() returns', serving)
    }
  },
  {
    name: 'refuses at its close those who came while it was suspended, where nobody serves',
    when: keepsSuspended,
    async run(trial, subject) {
      const { server, ask } = await listeningServer(trial, subject)
      server.suspend()
      for (const input of inputs(3)) await ask(input)
      const report = await trial.soon('close() returns', server.close())
      assert.deepEqual(report, { finished: 0, aborted: 0, refused: 3, stillOpen: [] })
    }
  },
  {
    name: 'ends its loops where it is closed while it is suspended',
    async run(trial, subject) {
      const { server } = await listeningServer(trial, subject)
      const early = [drain(server), server.serveForever(parallel(echo))]
      await turns()
      server.suspend()
      const late = [drain(server), server.handleRequest(echo)]
      for (const loop of [...early, ...late]) mayReject(loop)
      await turns()
      await trial.soon('close() returns', server.close())
      await trial.soon('every loop ends', Promise.all([...early, ...late]))
    }
  },
  {
    name: 'lets handleRequest() end in time while it is suspended, and loses nothing to it',
    async run(trial, subject) {
      const { server, ask } = await listeningServer(trial, subject)
      server.suspend()
      assert.equal(await trial.soon('the time is up', server.handleRequest(echo, { timeout: 1 })), undefined)
      server.resume()
      const { reply } = await ask('late')
      const outcome = await trial.soon('it is handled', server.handleRequest(echo))
      assert.equal(outcome?.status, 'fulfilled')
      assert.equal(await trial.soon('the reply comes', reply), 'late')
    }
  },
  {
    name: 'may be suspended before it listens, more than once, and after its close',
    async run(trial, subject) {
      const { server, ask } = testedServer(trial, subject)
      server.resume()
      server.suspend()
      server.suspend()
      const serving = server.serveForever(parallel(echo))
      await trial.soon('listen() returns', server.listen())
      const { reply } = await ask('early')
      const isKept = keepsSuspended(subject)
      if (!isKept) await trial.until('one is refused', () => turnedAway(server) === 1)
      await turns()
      assert.equal(server.stats().served, 0)
      server.resume()
      server.resume()
      assert.equal(server.suspended, false)
      const answer = isKept ? reply : (await ask('early')).reply
      assert.equal(await trial.soon('the reply comes', answer), 'early')
      await trial.soon('close() returns', server.close())
      await trial.soon('serveForever() returns', serving)
      server.suspend()
      server.resume()
      assert.equal(server.suspended, false)
    }
  }
]
