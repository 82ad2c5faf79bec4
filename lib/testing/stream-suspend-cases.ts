import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import type { Request } from '../request.ts'
import type { Listener } from '../transport.ts'
import type { KitCase } from './kit.ts'
import { keepsSuspended } from './listener-cases.ts'
import { listening, type Tested, tested } from './listener-host.ts'
import { connected, numbered, numberOf, received, refusals, type StreamListenerSubject } from './stream-subject.ts'
import { type Trial, turns } from './trial.ts'

/** Clients that may have to wait for their connection. */
async function calling(
  trial: Trial,
  subject: StreamListenerSubject,
  listener: Listener<Request>,
  many: number
): Promise<void> {
  for (let i = 0; i < many; i++) {
    const coming = Promise.resolve(subject.connect(listener))
    coming.then(
      (client: Duplex) => {
        client.on('error', () => {})
        trial.after(() => client.destroy())
        client.write(`${i}\n`)
      },
      () => {}
    )
    await turns(3)
  }
}

/** The numbers of the next ones, in their order; where handshakes come before, that need not be the order they came in. */
async function numbers(trial: Trial, { accept }: Tested, many: number): Promise<number[]> {
  const seen: number[] = []
  for (let i = 0; i < many; i++) seen.push(await numberOf(trial, await accept()))
  return seen
}

const inOrder = ({ onDemand }: StreamListenerSubject, seen: number[]): number[] =>
  onDemand === true ? seen : seen.sort()

/** How no connections come in for a while. */
export const streamSuspendCases: readonly KitCase<StreamListenerSubject>[] = [
  {
    name: 'leaves outside who comes while it is suspended, and hands them over after `resume()`',
    when: keepsSuspended,
    async run(trial, subject) {
      for (const parks of [false, true]) {
        const made = await listening(trial, subject.listener)
        const { listener, stats } = made
        const parked = parks ? made.accept() : undefined
        await turns(2)
        listener.suspend()
        await calling(trial, subject, listener, 3)
        await turns()
        assert.deepEqual([stats.accepted, stats.refused, listener.waiting], [0, 0, 0], 'somebody was taken in')
        listener.resume()
        const first = parked === undefined ? [] : [await numberOf(trial, await parked)]
        const rest = await numbers(trial, made, 3 - first.length)
        assert.deepEqual(inOrder(subject, [...first, ...rest]), [0, 1, 2])
        assert.deepEqual([stats.accepted, stats.refused], [3, 0])
      }
    }
  },
  {
    name: 'refuses who comes while it is suspended, counted and published with the reason, and goes on after `resume()`',
    when: (subject) => !keepsSuspended(subject),
    async run(trial, subject) {
      const reasons = refusals(trial)
      const { listener, accept, stats } = await listening(trial, subject.listener)
      const parked = accept()
      listener.suspend()
      await calling(trial, subject, listener, 3)
      await trial.until('three connections are refused', () => stats.refused === 3)
      assert.deepEqual(reasons, ['suspended', 'suspended', 'suspended'])
      assert.deepEqual([stats.refusedBy.suspended, listener.waiting], [3, 0])
      listener.resume()
      const client = await connected(trial, subject, listener)
      client.write('7\n')
      assert.equal(await numberOf(trial, await parked), 7)
      assert.equal(stats.accepted, 1)
    }
  },
  {
    name: 'still hands over, while it is suspended, those who came before',
    when: ({ onDemand }) => onDemand !== true,
    async run(trial, subject) {
      const { listener, accept, stats } = await listening(trial, subject.listener)
      const clients = await numbered(trial, subject, listener, 3)
      await trial.until('three wait', () => listener.waiting === 3)
      listener.suspend()
      for (let i = 0; i < 3; i++) {
        const request = await accept()
        assert.equal(await numberOf(trial, request), i)
        await request.wfile.write(`served ${i}`)
        void request.close().catch(() => {})
        assert.equal((await received(trial, clients[i] as Duplex)).toString(), `served ${i}`)
      }
      assert.equal(stats.refused, 0)
    }
  },
  {
    name: 'lets a request that was handed over go on while it is suspended',
    async run(trial, subject) {
      const { listener, accept } = await listening(trial, subject.listener)
      const client = await connected(trial, subject, listener)
      const request = await accept()
      listener.suspend()
      client.write('to and fro\n')
      await request.wfile.write((await trial.soon('a line is read', request.rfile.readLine())) ?? '')
      void request.close().catch(() => {})
      assert.equal((await received(trial, client)).toString(), 'to and fro\n')
    }
  },
  {
    name: 'still hands over, after its close, all who came while it was suspended',
    when: (subject) => keepsSuspended(subject) && subject.leavesWaiting !== true,
    async run(trial, subject) {
      const made = await listening(trial, subject.listener)
      const { listener, stats, ended } = made
      listener.suspend()
      await calling(trial, subject, listener, 3)
      await trial.soon('close() returns', listener.close())
      assert.deepEqual(inOrder(subject, await numbers(trial, made, 3)), [0, 1, 2])
      await ended()
      assert.deepEqual([stats.accepted, stats.refused], [3, 0])
    }
  },
  {
    name: 'ends the accept that waits where it is closed while it is suspended',
    async run(trial, subject) {
      const { listener, ended } = await listening(trial, subject.listener)
      const parked = ended()
      listener.suspend()
      await turns()
      await Promise.all([trial.soon('close() returns', listener.close()), parked])
      await ended()
    }
  },
  {
    name: 'may be suspended before it listens, more than once, and after its close',
    async run(trial, subject) {
      const { listener, accept, ended, stats } = await tested(trial, subject.listener)
      listener.suspend()
      listener.suspend()
      await trial.soon('listen() returns', listener.listen())
      const parked = accept()
      await calling(trial, subject, listener, 1)
      if (!keepsSuspended(subject)) await trial.until('one is refused', () => stats.refused === 1)
      await turns()
      assert.equal(stats.accepted, 0, 'it took somebody in before it was resumed')
      listener.resume()
      listener.resume()
      if (!keepsSuspended(subject)) await calling(trial, subject, listener, 1)
      assert.equal(await numberOf(trial, await parked), 0)
      await trial.soon('close() returns', listener.close())
      listener.suspend()
      await ended()
      listener.resume()
      await ended()
    }
  }
]
