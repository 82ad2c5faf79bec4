import assert from 'node:assert/strict'
import { ListenError } from '../errors.ts'
import type { KitCase } from './kit.ts'
import { listening, type MakeListener, tested } from './listener-host.ts'
import { turns } from './trial.ts'

/** What cases of every listener need to know. */
export interface AnyListenerSubject {
  /** What is checked, for messages. */
  readonly name: string
  /** Makes a listener. */
  readonly listener: MakeListener
  /** Whether two can't listen at one address: then the second must say so, and `address` of the host is obeyed. */
  readonly fixedAddress?: boolean
  /**
   * What waits outside (in the kernel) when the listener closes is left there, as others may have its socket too: an
   * inherited one. False by default: then it is taken in first.
   */
  readonly leavesWaiting?: boolean
  /** What nobody asks for stays outside (in the kernel): `maxPending` does not bound it. False by default. */
  readonly onDemand?: boolean
  /** What comes while it is suspended waits outside (in the kernel), and is not refused: as `onDemand` says, by default. */
  readonly keepsSuspended?: boolean
}

/** Whether what comes while it is suspended waits outside. */
export function keepsSuspended(subject: AnyListenerSubject): boolean {
  return subject.keepsSuspended ?? subject.onDemand === true
}

/** What holds for whatever takes requests in. */
export const anyListenerCases: readonly KitCase<AnyListenerSubject>[] = [
  {
    name: 'has no address before it listens, and one that stays afterwards',
    async run(trial, { listener: make }) {
      const { listener } = await tested(trial, make)
      assert.equal(listener.address, undefined)
      await trial.soon('listen() returns', listener.listen())
      assert.notEqual(listener.address, undefined)
      assert.deepEqual(listener.address, listener.address)
    }
  },
  {
    name: 'ends the accept that waits, and every later one, when it is closed',
    async run(trial, { listener: make }) {
      const { listener, ended } = await listening(trial, make)
      const parked = ended()
      await turns()
      await Promise.all([trial.soon('close() returns', listener.close()), parked])
      await ended()
      await ended()
    }
  },
  {
    name: 'may be closed and released twice, in any order, also unused',
    async run(trial, { listener: make }) {
      for (const listens of [true, false]) {
        const { listener, ended } = await (listens ? listening : tested)(trial, make)
        const closing = [listener.close(), listener.close()]
        await trial.soon('both calls of close() return', Promise.all(closing))
        await ended()
        listener.discard()
        await trial.soon('release() returns', Promise.all([listener.release(), listener.release()]))
        await trial.soon('close() after release() returns', listener.close())
        await ended()
      }
    }
  },
  {
    name: 'is released without having been closed',
    async run(trial, { listener: make }) {
      const { listener, ended } = await listening(trial, make)
      await trial.soon('release() returns', listener.release())
      await ended()
    }
  },
  {
    name: 'takes ref() and unref() at any time, and tells a descriptor or none',
    async run(trial, { listener: make }) {
      const { listener } = await tested(trial, make)
      const asked = (): void => {
        listener.unref()
        listener.ref()
        const fd = listener.fileno()
        assert.ok(fd === undefined || (Number.isInteger(fd) && fd >= 0), `fileno() is ${fd}`)
      }
      asked()
      await listener.listen()
      asked()
      await listener.close()
      asked()
      await listener.release()
      asked()
      assert.equal(listener.fileno(), undefined, 'the descriptor is given back')
    }
  },
  {
    name: 'says that an address is taken, and leaves who has it alone',
    when: ({ fixedAddress }) => fixedAddress === true,
    async run(trial, { listener: make }) {
      const first = await listening(trial, make)
      const { address } = first.listener
      const second = await tested(trial, make, { address })
      await assert.rejects(trial.soon('listen() fails', second.listener.listen()), (error: unknown) => {
        assert.ok(error instanceof ListenError, `it is a ListenError: got ${String(error)}`)
        assert.equal(error.code, 'EADDRINUSE')
        return true
      })
      await second.ended()
      await trial.soon('close() returns', second.listener.close())
      await trial.soon('release() returns', second.listener.release())
      assert.deepEqual(first.listener.address, address)
      assert.equal(first.listener.waiting, 0)
      await first.listener.close()
      await first.listener.release()
      await listening(trial, make, { address })
    }
  }
]
