import assert from 'node:assert/strict'
import type { Request } from '../request.ts'
import { both, calling, type DatagramListenerSubject, drops, packetOf, textOf } from './datagram-subject.ts'
import type { KitCase } from './kit.ts'
import { listening } from './listener-host.ts'
import { type Trial, turns } from './trial.ts'

const answered = (trial: Trial, request: Request): Promise<void> => trial.soon('close() returns', request.close())

/** What datagrams go through. */
export const datagramCases: readonly KitCase<DatagramListenerSubject>[] = [
  {
    name: 'hands datagrams over whole, one by one, in the order in which they came',
    async run(trial, subject) {
      const { accept, client, stats, listener } = await both(trial, subject)
      for (let i = 0; i < 5; i++) await client.send(`packet ${i}`)
      for (let i = 0; i < 5; i++) {
        const request = await accept()
        assert.equal(await textOf(trial, request), `packet ${i}`)
        await answered(trial, request)
      }
      assert.deepEqual([stats.accepted, stats.bytesIn, listener.waiting], [5, 40, 0])
    }
  },
  {
    name: 'gives a datagram to the accept that waits for it',
    async run(trial, subject) {
      const { accept, client } = await both(trial, subject)
      for (let i = 0; i < 3; i++) {
        const parked = accept()
        await turns(2)
        await client.send(`${i}`)
        assert.equal(await textOf(trial, await parked), `${i}`)
      }
    }
  },
  {
    name: 'hands an empty datagram over',
    async run(trial, subject) {
      const { accept, client, stats } = await both(trial, subject)
      await client.send('')
      await client.send('next')
      const empty = await accept()
      assert.equal((await packetOf(trial, empty)).length, 0)
      assert.equal(empty.rfile.ended, true)
      assert.equal(await textOf(trial, await accept()), 'next')
      assert.equal(stats.accepted, 2)
    }
  },
  {
    name: 'carries datagrams of every size',
    async run(trial, subject) {
      const { accept, client, stats } = await both(trial, subject)
      const { largest = 8_192 } = subject
      for (const size of [1, 512, 1_472, 8_192, largest]) {
        const packet = Buffer.alloc(size, `${size},`)
        await client.send(packet)
        const request = await accept()
        const came = await packetOf(trial, request)
        assert.ok(came.equals(packet), `${size} bytes come whole: got ${came.length}`)
        await request.wfile.write(came)
        await answered(trial, request)
        assert.ok((await client.receive()).equals(packet), `${size} bytes go back whole`)
      }
      assert.equal(stats.bytesIn, stats.bytesOut)
    }
  },
  {
    name: 'sends one reply, whatever it was written in, when its request is closed',
    async run(trial, subject) {
      const { accept, client } = await both(trial, subject)
      for (const name of ['first', 'second']) {
        await client.send(name)
        const request = await accept()
        for (const part of ['re', 'ply ', name]) await request.wfile.write(part)
        await answered(trial, request)
        await answered(trial, request)
        assert.equal((await client.receive()).toString(), `reply ${name}`)
      }
    }
  },
  {
    name: 'sends nothing where nothing was written, or it went wrong, and an empty reply where that was written',
    async run(trial, subject) {
      const { accept, client } = await both(trial, subject)
      for (const packet of ['silent', 'failed', 'aborted', 'empty', 'last']) await client.send(packet)
      await answered(trial, await accept())
      const failed = await accept()
      await failed.wfile.write('half an ans')
      await failed.close({ status: 'rejected', reason: new Error('no') }).catch(() => {})
      const aborted = await accept()
      await aborted.wfile.write('half an ans')
      aborted.abort()
      await aborted.close().catch(() => {})
      const empty = await accept()
      await empty.wfile.write('')
      await answered(trial, empty)
      const last = await accept()
      await last.wfile.write('last')
      await answered(trial, last)
      assert.equal((await client.receive()).length, 0, 'the first reply is the empty one')
      assert.equal((await client.receive()).toString(), 'last')
    }
  },
  {
    name: 'replies to whoever asked',
    async run(trial, subject) {
      const { accept, client: one, listener } = await both(trial, subject)
      const other = await calling(trial, subject, listener)
      await one.send('one')
      await other.send('other')
      const requests = [await accept(), await accept()]
      for (const [i, { address }] of [one, other].entries()) {
        if (address !== undefined) assert.deepEqual(requests[i]?.clientAddress, address)
      }
      for (const request of requests.reverse()) {
        await request.wfile.write(`to ${await textOf(trial, request)}`)
        await answered(trial, request)
      }
      assert.equal((await one.receive()).toString(), 'to one')
      assert.equal((await other.receive()).toString(), 'to other')
    }
  },
  {
    name: 'drops what is larger than `maxPacketSize`, counted and published, and never cuts it',
    async run(trial, subject) {
      const seen = drops(trial)
      const { accept, client, stats } = await both(trial, subject, { maxPacketSize: 100 })
      for (const size of [101, 100, 500, 1]) await client.send(Buffer.alloc(size))
      assert.equal((await packetOf(trial, await accept())).length, 100)
      assert.equal((await packetOf(trial, await accept())).length, 1)
      assert.deepEqual(seen, ['size: 101', 'size: 500'])
      assert.deepEqual([stats.accepted, stats.dropped], [2, 2])
    }
  },
  {
    name: 'holds `maxPending` datagrams, drops, counts and publishes those past it, and goes on',
    when: ({ onDemand }) => onDemand !== true,
    async run(trial, subject) {
      const seen = drops(trial)
      const { accept, client, stats, listener } = await both(trial, subject, { maxPending: 2 })
      for (let i = 0; i < 5; i++) await client.send(`${i}`)
      await trial.until('three are dropped', () => stats.dropped === 3)
      assert.equal(listener.waiting, 2)
      assert.deepEqual(seen, ['pending: 1', 'pending: 1', 'pending: 1'])
      for (const name of ['0', '1']) assert.equal(await textOf(trial, await accept()), name)
      await client.send('late')
      assert.equal(await textOf(trial, await accept()), 'late')
    }
  },
  {
    name: 'leaves outside what nobody asked for, whatever `maxPending` says',
    when: ({ onDemand }) => onDemand === true,
    async run(trial, subject) {
      const { accept, client, stats, listener } = await both(trial, subject, { maxPending: 2 })
      for (let i = 0; i < 5; i++) await client.send(`${i}`)
      await turns()
      assert.deepEqual([listener.waiting, stats.accepted], [0, 0], 'what nobody asked for was taken in')
      for (let i = 0; i < 5; i++) assert.equal(await textOf(trial, await accept()), `${i}`)
      assert.equal(stats.dropped, 0)
    }
  },
  {
    name: 'still hands over, after its close, all that had come, and its replies still leave',
    when: ({ leavesWaiting }) => leavesWaiting !== true,
    async run(trial, subject) {
      const { accept, ended, client, listener, stats } = await both(trial, subject)
      for (let i = 0; i < 3; i++) await client.send(`${i}`)
      if (subject.onDemand !== true) await trial.until('three wait', () => listener.waiting === 3)
      await trial.soon('close() returns', listener.close())
      for (let i = 0; i < 3; i++) {
        const request = await accept()
        assert.equal(await textOf(trial, request), `${i}`)
        await request.wfile.write(`served ${i}`)
        await answered(trial, request)
        assert.equal((await client.receive()).toString(), `served ${i}`)
      }
      await ended()
      assert.equal(stats.dropped, 0)
    }
  },
  {
    name: 'drops what waits, where it is told to discard it',
    when: ({ leavesWaiting }) => leavesWaiting !== true,
    async run(trial, subject) {
      const seen = drops(trial)
      const { ended, client, listener, stats } = await both(trial, subject)
      for (let i = 0; i < 3; i++) await client.send(`${i}`)
      if (subject.onDemand !== true) await trial.until('three wait', () => listener.waiting === 3)
      await listener.close()
      assert.equal(listener.waiting, 3)
      listener.discard()
      listener.discard()
      await trial.until('three are dropped', () => stats.dropped === 3)
      await ended()
      assert.equal(listener.waiting, 0)
      assert.deepEqual(seen, ['closing: 1', 'closing: 1', 'closing: 1'])
    }
  },
  {
    name: 'takes nothing in at its close that waits where others may have the socket, and its replies still leave',
    when: ({ leavesWaiting, onDemand }) => leavesWaiting === true && onDemand === true,
    async run(trial, subject) {
      const { listener, accept, ended, stats } = await listening(trial, subject.listener)
      const client = await calling(trial, subject, listener)
      for (const packet of ['one', 'two', 'three']) await client.send(packet)
      const request = await accept()
      await trial.soon('close() returns', listener.close())
      await ended()
      assert.deepEqual([stats.accepted, stats.dropped], [1, 0])
      await request.wfile.write('answered')
      await request.close()
      assert.equal((await client.receive()).toString(), 'answered')
    }
  },
  {
    name: 'goes on where a client has gone before its reply',
    async run(trial, subject) {
      const { accept, client: dying, listener } = await both(trial, subject)
      await dying.send('dying')
      const request = await accept()
      await dying.close()
      await request.wfile.write('too late')
      // Whether that can be known differs.
      await trial.soon(
        'close() settles',
        request.close().catch(() => {})
      )
      const alive = await calling(trial, subject, listener)
      await alive.send('alive')
      const next = await accept()
      await next.wfile.write(await textOf(trial, next))
      await answered(trial, next)
      assert.equal((await alive.receive()).toString(), 'alive')
    }
  },
  {
    name: 'answers a hundred datagrams of two clients, each once',
    async run(trial, subject) {
      const { accept, client: one, listener } = await both(trial, subject)
      const clients = [one, await calling(trial, subject, listener)]
      const serving = (async () => {
        for (let i = 0; i < 100; i++) {
          const request = await accept()
          await request.wfile.write(`re: ${await textOf(trial, request)}`)
          await answered(trial, request)
        }
      })()
      serving.catch(() => {})
      for (const [which, client] of clients.entries()) {
        for (let i = 0; i < 50; i++) {
          await client.send(`${which}/${i}`)
          assert.equal((await client.receive()).toString(), `re: ${which}/${i}`)
        }
      }
      await serving
    }
  }
]
