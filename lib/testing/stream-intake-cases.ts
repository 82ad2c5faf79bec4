import assert from 'node:assert/strict'
import type { KitCase } from './kit.ts'
import { listening, tested } from './listener-host.ts'
import { connected, numbered, numberOf, received, refusals, type StreamListenerSubject } from './stream-subject.ts'
import { turns } from './trial.ts'

/** How connections come in, wait, and are turned away. */
export const streamIntakeCases: readonly KitCase<StreamListenerSubject>[] = [
  {
    name: 'hands connections over in the order in which they came',
    async run(trial, subject) {
      const { listener, accept, stats } = await listening(trial, subject.listener)
      await numbered(trial, subject, listener, 5)
      for (let i = 0; i < 5; i++) assert.equal(await numberOf(trial, await accept()), i)
      assert.equal(stats.accepted, 5)
      assert.equal(listener.waiting, 0)
    }
  },
  {
    name: 'gives a connection to the accept that waits for it',
    async run(trial, subject) {
      const { listener, accept } = await listening(trial, subject.listener)
      for (let i = 0; i < 3; i++) {
        const parked = accept()
        await turns(2)
        const client = await connected(trial, subject, listener)
        client.write(`${i}\n`)
        assert.equal(await numberOf(trial, await parked), i)
      }
    }
  },
  {
    name: 'holds `maxPending` connections, closes, counts and publishes those past it, and goes on',
    when: ({ onDemand }) => onDemand !== true,
    async run(trial, subject) {
      const reasons = refusals(trial)
      const { listener, accept, stats } = await listening(trial, subject.listener, { maxPending: 2 })
      const clients = await numbered(trial, subject, listener, 5)
      await trial.until('three connections are refused', () => stats.refused === 3)
      assert.equal(listener.waiting, 2, 'two wait')
      assert.deepEqual(reasons, ['pending', 'pending', 'pending'])
      for (const client of clients.slice(2)) assert.equal((await received(trial, client)).length, 0)
      for (let i = 0; i < 2; i++) assert.equal(await numberOf(trial, await accept()), i)
      const late = await connected(trial, subject, listener)
      late.write('7\n')
      assert.equal(await numberOf(trial, await accept()), 7)
      // A TLS listener accepts before its handshake, and refuses after it.
      assert.ok(stats.accepted >= 3, `${stats.accepted} are counted as accepted`)
    }
  },
  {
    name: 'refuses nobody whom it need not take in, whatever `maxPending` says',
    when: ({ onDemand }) => onDemand === true,
    async run(trial, subject) {
      const { listener, accept, stats } = await listening(trial, subject.listener, { maxPending: 2 })
      await numbered(trial, subject, listener, 5)
      await turns()
      assert.equal(listener.waiting, 0, 'what nobody asked for was taken in')
      for (let i = 0; i < 5; i++) assert.equal(await numberOf(trial, await accept()), i)
      assert.equal(stats.refused, 0)
    }
  },
  {
    name: 'still hands over, after its close, all that had come, and then the end',
    when: ({ leavesWaiting }) => leavesWaiting !== true,
    async run(trial, subject) {
      const { listener, accept, ended, stats } = await listening(trial, subject.listener)
      const clients = await numbered(trial, subject, listener, 3)
      await trial.soon('close() returns', listener.close())
      for (let i = 0; i < 3; i++) {
        const request = await accept()
        assert.equal(await numberOf(trial, request), i)
        await request.wfile.write(`served ${i}`)
        void request.close().catch(() => {})
        assert.equal((await received(trial, clients[i] as (typeof clients)[0])).toString(), `served ${i}`)
      }
      await ended()
      assert.deepEqual([stats.accepted, stats.refused], [3, 0])
    }
  },
  {
    name: 'takes nobody in at its close who waits where others may have the socket',
    when: ({ leavesWaiting, onDemand }) => leavesWaiting === true && onDemand === true,
    async run(trial, subject) {
      const { listener, accept, ended, stats } = await listening(trial, subject.listener)
      await numbered(trial, subject, listener, 3)
      assert.equal(await numberOf(trial, await accept()), 0)
      await trial.soon('close() returns', listener.close())
      await ended()
      assert.deepEqual([stats.accepted, stats.refused], [1, 0])
    }
  },
  {
    name: 'takes nobody new in after its close',
    async run(trial, subject) {
      const { listener, ended } = await listening(trial, subject.listener)
      await listener.close()
      const client = await Promise.resolve(subject.connect(listener)).catch(() => undefined)
      client?.on('error', () => {})
      if (client !== undefined) await received(trial, client)
      await ended()
    }
  },
  {
    name: 'refuses what waits, where it is told to discard it',
    when: ({ leavesWaiting }) => leavesWaiting !== true,
    async run(trial, subject) {
      const reasons = refusals(trial)
      const { listener, ended, stats } = await listening(trial, subject.listener)
      const clients = await numbered(trial, subject, listener, 3)
      await listener.close()
      listener.discard()
      listener.discard()
      for (const client of clients) assert.equal((await received(trial, client)).length, 0)
      await ended()
      assert.equal(stats.refused, 3)
      assert.equal(listener.waiting, 0)
      assert.deepEqual(reasons, ['closing', 'closing', 'closing'])
    }
  },
  {
    name: 'lets a request that was handed over go on after its close',
    async run(trial, subject) {
      const { listener, accept } = await listening(trial, subject.listener)
      const client = await connected(trial, subject, listener)
      const request = await accept()
      await trial.soon('close() returns, whoever is inside', listener.close())
      client.write('to and fro\n')
      await request.wfile.write((await trial.soon('a line is read', request.rfile.readLine())) ?? '')
      void request.close().catch(() => {})
      assert.equal((await received(trial, client)).toString(), 'to and fro\n')
    }
  },
  {
    name: 'goes on where a client was reset while it waited',
    when: ({ reset }) => reset !== undefined,
    async run(trial, subject) {
      const { listener, accept } = await listening(trial, subject.listener)
      const dying = await connected(trial, subject, listener)
      await turns()
      subject.reset?.(dying)
      await turns()
      const alive = await connected(trial, subject, listener)
      alive.end('1\n')
      let request = await accept()
      const first = await trial.soon(
        'a read of the dead one ends',
        request.rfile.readLine().catch(() => undefined)
      )
      // An accept that skips whom it knows to be dead is right too.
      if (first === undefined) {
        await trial.soon('the dead one goes', new Promise((resolve) => request.whenClosed(resolve)))
        request = await accept()
        assert.equal(await numberOf(trial, request), 1)
      } else assert.equal(first.toString(), '1\n')
      await request.wfile.write('alive')
      void request.close().catch(() => {})
      assert.equal((await received(trial, alive)).toString(), 'alive')
    }
  },
  {
    name: 'says where its clients are',
    when: ({ addressOf }) => addressOf !== undefined,
    async run(trial, subject) {
      const { listener, accept } = await listening(trial, subject.listener)
      const clients = [await connected(trial, subject, listener), await connected(trial, subject, listener)]
      for (const client of clients) assert.deepEqual((await accept()).clientAddress, subject.addressOf?.(client))
    }
  },
  {
    name: 'refuses nothing and hands over nothing before it listens',
    async run(trial, subject) {
      const { listener, ended, stats } = await tested(trial, subject.listener)
      listener.discard()
      await trial.soon('close() returns', listener.close())
      await ended()
      assert.deepEqual([stats.accepted, stats.refused], [0, 0])
    }
  }
]
