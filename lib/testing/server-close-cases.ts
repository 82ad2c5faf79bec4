import assert from 'node:assert/strict'
import { ClosedError } from '../errors.ts'
import { parallel } from '../flow/parallel.ts'
import type { Report, Request } from '../request.ts'
import type { KitCase } from './kit.ts'
import { echo, Gate, listeningServer, type ServerSubject, testedServer } from './server-subject.ts'
import { moment } from './trial.ts'

const nobody: Report = { finished: 0, aborted: 0, refused: 0, stillOpen: [] }
const inputs = (many: number): string[] => Array.from({ length: many }, (_, i) => `request ${i}`)

/** How a server stops. */
export const serverCloseCases: readonly KitCase<ServerSubject>[] = [
  {
    name: 'serves those who wait and those inside, before it has closed, and reports them',
    async run(trial, subject) {
      const { server, askAll } = await listeningServer(trial, subject)
      const gate = new Gate()
      const serving = server.serveForever(parallel(gate.handler, { limit: 1 }))
      const asked = await askAll(inputs(4))
      await trial.until('one is inside', () => gate.inside === 1)
      const { stopping } = gate.first as Request
      assert.equal(stopping.aborted, false)
      const closing = server.close()
      assert.equal(stopping.aborted, true)
      let over = false
      void closing.then(() => {
        over = true
      })
      await moment()
      assert.equal(over, false, 'it waits for who is inside')
      assert.equal(gate.first?.signal.aborted, false, 'it lets who is inside go on')
      gate.open()
      const replies = await trial.soon('all replies come', Promise.all(asked.map(({ reply }) => reply)))
      assert.deepEqual(replies, inputs(4))
      const report = await trial.soon('close() returns', closing)
      assert.deepEqual(report, { ...nobody, finished: 4 })
      assert.equal(await trial.soon('serveForever() returns', serving), report)
      const { open, waiting, served } = server.stats()
      assert.deepEqual({ open, waiting, served }, { open: 0, waiting: 0, served: 4 })
    }
  },
  {
    name: 'refuses those who wait where nobody serves, and reports them',
    async run(trial, subject) {
      const { server, askAll } = await listeningServer(trial, subject)
      await askAll(inputs(3))
      assert.deepEqual(await trial.soon('close() returns', server.close()), { ...nobody, refused: 3 })
      const { refused, dropped, waiting } = server.stats()
      assert.equal(refused + dropped, 3)
      assert.equal(waiting, 0)
    }
  },
  {
    name: 'cuts off at the deadline who is still inside, and says who that was',
    async run(trial, subject) {
      const { server, ask, errors } = await listeningServer(trial, subject)
      const gate = new Gate()
      const outcome = server.handleRequest(gate.handler)
      await ask('slow')
      await trial.until('one is inside', () => gate.inside === 1)
      const request = gate.first as Request
      const report = await trial.soon('close() returns', server.close({ deadline: 1 }))
      assert.equal(report.aborted, 1)
      assert.equal(report.stillOpen.length, 1)
      assert.equal(report.stillOpen[0]?.request, request)
      assert.equal(request.signal.aborted, true)
      assert.equal((request.signal.reason as { cause?: unknown }).cause, 'deadline')
      gate.open()
      assert.equal((await trial.soon('the handler ends', outcome))?.status, 'aborted')
      assert.equal(errors.length, 1)
      assert.equal(server.stats().failed, 1)
    }
  },
  {
    name: 'may be closed twice, and an earlier deadline counts',
    async run(trial, subject) {
      const { server, ask } = await listeningServer(trial, subject)
      const gate = new Gate()
      const outcome = server.handleRequest(gate.handler)
      await ask('slow')
      await trial.until('one is inside', () => gate.inside === 1)
      const reports = [server.close({ deadline: Number.POSITIVE_INFINITY }), server.close({ deadline: 1 })]
      const [first, second] = await trial.soon('both calls return', Promise.all(reports))
      assert.equal(first, second)
      assert.equal(first?.aborted, 1)
      assert.equal(await server.closed, first)
      assert.equal(await server.close(), first)
      gate.open()
      await trial.soon('the handler ends', outcome)
    }
  },
  {
    name: 'may be closed before it listens, and while it begins to',
    async run(trial, subject) {
      const unused = testedServer(trial, subject).server
      assert.deepEqual(await trial.soon('close() returns', unused.close()), nobody)
      await assert.rejects(trial.soon('listen() fails', unused.listen()), ClosedError)
      await assert.rejects(trial.soon('handleRequest() fails', unused.handleRequest(echo)), ClosedError)
      const beginning = testedServer(trial, subject).server
      const listening = beginning.listen().catch((error: unknown) => error)
      const loop = beginning.serveForever(parallel(echo))
      assert.deepEqual(await trial.soon('close() returns', beginning.close()), nobody)
      assert.ok((await trial.soon('listen() settles', listening)) instanceof ClosedError)
      assert.deepEqual(await trial.soon('the loop ends', loop), nobody)
    }
  },
  {
    name: 'may be closed by a handler',
    async run(trial, subject) {
      const { server, ask } = await listeningServer(trial, subject)
      const serving = server.serveForever(
        parallel((request: Request) => {
          void request.server.close()
          return echo(request)
        })
      )
      assert.equal(await trial.soon('the reply comes', (await ask('the last')).reply), 'the last')
      assert.deepEqual(await trial.soon('serveForever() returns', serving), { ...nobody, finished: 1 })
    }
  },
  {
    name: 'is closed at the end of its block',
    async run(trial, subject) {
      const { server } = await listeningServer(trial, subject)
      await trial.soon('it is disposed of', server[Symbol.asyncDispose]())
      assert.deepEqual(await trial.soon('it has closed', server.closed), nobody)
    }
  },
  {
    name: 'counts so that all adds up',
    async run(trial, subject) {
      const { server, ask, askAll } = await listeningServer(trial, subject)
      server.verifyRequest = async ({ rfile }) => (await rfile.peek(7)).toString() !== 'refused'
      const serving = server.serveForever(
        parallel(async (request: Request) => {
          if ((await request.rfile.peek(6)).toString() === 'failed') throw new Error('failed')
          return echo(request)
        })
      )
      const kinds = ['served', 'failed', 'refused']
      for (let i = 0; i < 12; i++) {
        const input = `${kinds[i % 3]} ${i}`
        const { reply } = await ask(input)
        if (i % 3 === 0) assert.equal(await trial.soon('the reply comes', reply), input)
      }
      await askAll([])
      const ended = (): number => {
        const { served, failed, refused } = server.stats()
        return served + failed + refused
      }
      await trial.until('all have ended', () => ended() === 12)
      await trial.soon('close() returns', server.close())
      await trial.soon('serveForever() returns', serving)
      const { accepted, served, failed, refused, dropped, open, waiting, bytesIn, bytesOut } = server.stats()
      assert.deepEqual(
        { accepted, served, failed, refused, dropped },
        { accepted: 12, served: 4, failed: 4, refused: 4, dropped: 0 }
      )
      assert.deepEqual({ open, waiting }, { open: 0, waiting: 0 })
      assert.equal(bytesOut, 'served 0served 3served 6served 9'.length)
      assert.ok(bytesIn >= bytesOut)
    }
  }
]
