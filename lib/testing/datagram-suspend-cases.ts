import assert from 'node:assert/strict'
import { both, type DatagramListenerSubject, drops, textOf } from './datagram-subject.ts'
import type { KitCase } from './kit.ts'
import { keepsSuspended } from './listener-cases.ts'
import { turns } from './trial.ts'

/** How no datagrams come in for a while. */
export const datagramSuspendCases: readonly KitCase<DatagramListenerSubject>[] = [
  {
    name: 'leaves outside what comes while it is suspended, and hands it over after `resume()`',
    when: keepsSuspended,
    async run(trial, subject) {
      for (const parks of [false, true]) {
        const { accept, client, listener, stats } = await both(trial, subject)
        const parked = parks ? accept() : undefined
        await turns(2)
        listener.suspend()
        for (let i = 0; i < 3; i++) await client.send(`${i}`)
        await turns()
        assert.deepEqual([stats.accepted, stats.dropped, listener.waiting], [0, 0, 0], 'something was taken in')
        listener.resume()
        for (let i = 0; i < 3; i++) {
          const request = await (i === 0 && parked !== undefined ? parked : accept())
          assert.equal(await textOf(trial, request), `${i}`)
        }
        assert.deepEqual([stats.accepted, stats.dropped], [3, 0])
      }
    }
  },
  {
    name: 'drops what comes while it is suspended, counted and published with the reason, and goes on after `resume()`',
    when: (subject) => !keepsSuspended(subject),
    async run(trial, subject) {
      const seen = drops(trial)
      const { accept, client, listener, stats } = await both(trial, subject)
      const parked = accept()
      listener.suspend()
      for (let i = 0; i < 3; i++) await client.send(`${i}`)
      await trial.until('three are dropped', () => stats.dropped === 3)
      assert.deepEqual(seen, ['suspended: 1', 'suspended: 1', 'suspended: 1'])
      assert.deepEqual([stats.droppedBy.suspended, stats.accepted, listener.waiting], [3, 0, 0])
      listener.resume()
      await client.send('after')
      assert.equal(await textOf(trial, await parked), 'after')
    }
  },
  {
    name: 'still hands over, while it is suspended, what came before',
    async run(trial, subject) {
      const { accept, client, listener, stats } = await both(trial, subject)
      // Where several are asked for at once, more may be taken in along with them.
      const parked = accept()
      await turns(2)
      if (keepsSuspended(subject)) listener.suspend()
      for (let i = 0; i < 8; i++) await client.send(`${i}`)
      listener.resume()
      const requests = [await parked]
      while (requests.length < 5) requests.push(await accept())
      if (subject.onDemand !== true) await trial.until('all have come', () => stats.accepted === 8)
      const { waiting } = listener
      listener.suspend()
      for (let i = 5; i < 5 + waiting; i++) {
        const request = await accept()
        assert.equal(await textOf(trial, request), `${i}`)
        requests.push(request)
      }
      await requests.at(-1)?.wfile.write('replies leave')
      for (const request of requests) await trial.soon('close() returns', request.close())
      assert.equal((await client.receive()).toString(), 'replies leave')
      assert.equal(stats.dropped, 0)
    }
  },
  {
    name: 'still hands over, after its close, all that came while it was suspended',
    when: (subject) => keepsSuspended(subject) && subject.leavesWaiting !== true,
    async run(trial, subject) {
      const { accept, client, ended, listener, stats } = await both(trial, subject)
      listener.suspend()
      for (let i = 0; i < 3; i++) await client.send(`${i}`)
      await turns()
      await trial.soon('close() returns', listener.close())
      for (let i = 0; i < 3; i++) assert.equal(await textOf(trial, await accept()), `${i}`)
      await ended()
      assert.deepEqual([stats.accepted, stats.dropped], [3, 0])
    }
  },
  {
    name: 'ends the accept that waits where it is closed while it is suspended',
    async run(trial, subject) {
      const { listener, ended } = await both(trial, subject)
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
      const { accept, client, ended, listener, stats } = await both(trial, subject, {}, (fresh) => {
        fresh.suspend()
        fresh.suspend()
      })
      const parked = accept()
      await client.send('early')
      if (!keepsSuspended(subject)) await trial.until('one is dropped', () => stats.dropped === 1)
      await turns()
      assert.equal(stats.accepted, 0, 'it took something in before it was resumed')
      listener.resume()
      listener.resume()
      if (!keepsSuspended(subject)) await client.send('early')
      assert.equal(await textOf(trial, await parked), 'early')
      await trial.soon('close() returns', listener.close())
      listener.suspend()
      await ended()
      listener.resume()
      await ended()
    }
  }
]
