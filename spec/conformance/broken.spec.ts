import { describe, expect, it } from 'vitest'
import { BaseServer, type Listener, type Request } from '../../lib/index.ts'
import {
  checkDatagramListener,
  checkServer,
  checkStreamListener,
  type DatagramListenerSubject,
  MemoryDatagramListener,
  MemoryDatagramServer,
  MemoryStreamListener,
  type StreamListenerSubject
} from '../../lib/testing/entry.ts'
import { about, bent, complaints } from '../support/complaints.ts'
import { memoryDatagramClient } from '../support/datagram-clients.ts'

// Long enough for what comes, and the whole cost of what never does.
const patience = 200

type Bend = (listener: MemoryStreamListener) => Partial<Listener<Request>>

function streams(bend: Bend, extra = 0): StreamListenerSubject {
  const whole = new WeakMap<object, MemoryStreamListener>()
  return {
    name: 'a broken listener',
    listener: ({ maxPending, server, stats }) => {
      const good = new MemoryStreamListener({ maxPending: maxPending + extra }, server, stats)
      const bad = bent<Listener<Request>>(good, bend(good))
      whole.set(bad, good)
      return bad
    },
    connect: (listener) => (whole.get(listener) as MemoryStreamListener).connect(),
    reset: (client) => void client.destroy(new Error('reset'))
  }
}

function datagrams(bend: (listener: MemoryDatagramListener) => Partial<Listener<Request>>): DatagramListenerSubject {
  const whole = new WeakMap<object, MemoryDatagramListener>()
  return {
    name: 'a broken listener',
    listener: ({ maxPending, maxPacketSize, server, stats }) => {
      const good = new MemoryDatagramListener({ maxPending, maxPacketSize }, server, stats)
      const bad = bent<Listener<Request>>(good, bend(good))
      whole.set(bad, good)
      return bad
    },
    client: (listener) => memoryDatagramClient(whole.get(listener) as MemoryDatagramListener)
  }
}

const nowhere: Partial<Listener<Request>> = { address: undefined }

describe('a kit of listeners', () => {
  it('is content with a good one', async () => {
    await checkStreamListener(streams(() => ({})))
    await checkDatagramListener(datagrams(() => ({})))
  })

  const broken: Record<string, [Bend, string]> = {
    'loses the last one that waits at its close': [
      (good) => ({
        close: async () => {
          await good.close()
          const last: Request[] = []
          while (good.waiting > 0) last.push((await good.accept()) as Request)
          last.pop()?.abort()
          good.accept = (() => Promise.resolve(last.shift())) as never
        }
      }),
      'still hands over, after its close, all that had come'
    ],
    'hands over one more than came': [
      (good) => {
        let again: Request | undefined
        return {
          accept: async () => {
            const request = await good.accept()
            if (request === undefined && again !== undefined) {
              const once = again
              again = undefined
              return once
            }
            again = request
            return request
          }
        }
      },
      'still hands over, after its close, all that had come'
    ],
    'never ends the accept that waits': [
      (good) => ({
        accept: async () => {
          const request = await good.accept()
          return request ?? new Promise<never>(() => {})
        }
      }),
      'ends the accept that waits, and every later one'
    ],
    'swaps two that wait': [
      (good) => {
        const held: Request[] = []
        return {
          accept: async () => {
            if (held.length === 0 && good.waiting > 1) held.push((await good.accept()) as Request)
            else if (held.length > 0) return held.shift()
            return good.accept()
          }
        }
      },
      'hands connections over in the order in which they came'
    ],
    'tells of no address': [() => nowhere, 'has no address before it listens, and one'],
    'does not discard': [() => ({ discard() {} }), 'refuses what waits, where it is told to discard it'],
    'goes on after its close': [
      (good) => ({ close: async () => void good.waiting, release: () => good.release() }),
      'takes nobody new in after its close'
    ],
    'eats the reply': [
      (good) => ({
        accept: async () => {
          const request = await good.accept()
          const close = request?.close.bind(request)
          if (request !== undefined) {
            request.close = (outcome) => {
              request.abort()
              return close?.(outcome) as Promise<void>
            }
          }
          return request
        }
      }),
      'delivers a reply whole though its client still sends'
    ]
  }
  for (const [how, [bend, complaint]] of Object.entries(broken)) {
    it(`names the case where a listener of connections ${how}`, async () => {
      const found = await complaints(checkStreamListener(streams(bend), { patience }))
      expect(found).toEqual(about(complaint))
    })
  }

  it('names the case where a listener of connections holds one too many', async () => {
    const found = await complaints(
      checkStreamListener(
        streams(() => ({}), 1),
        { patience }
      )
    )
    expect(found).toEqual(about('holds `maxPending` connections'))
  })

  const brokenDatagrams: Record<string, [Parameters<typeof datagrams>[0], string]> = {
    'answers twice': [
      (good) => ({
        accept: async () => {
          const request = await good.accept()
          const { wfile } = request ?? {}
          if (wfile !== undefined) {
            const write = wfile.write.bind(wfile)
            wfile.write = async (bytes) => {
              await write(bytes)
              await write(bytes)
            }
          }
          return request
        }
      }),
      'sends one reply, whatever it was written in'
    ],
    'answers though it went wrong': [
      (good) => ({
        accept: async () => {
          const request = await good.accept()
          if (request !== undefined) {
            const close = request.close.bind(request)
            request.close = () => close()
          }
          return request
        }
      }),
      'sends nothing where nothing was written, or it went wrong'
    ],
    'loses empty datagrams': [
      (good) => ({
        accept: async () => {
          let request = await good.accept()
          if (request?.bytesIn === 0) request = await good.accept()
          return request
        }
      }),
      'hands an empty datagram over'
    ]
  }
  for (const [how, [bend, complaint]] of Object.entries(brokenDatagrams)) {
    it(`names the case where a listener of datagrams ${how}`, async () => {
      expect(await complaints(checkDatagramListener(datagrams(bend), { patience }))).toEqual(about(complaint))
    })
  }
})

describe('the kit of servers', () => {
  const brokenServers: Record<string, [new () => MemoryDatagramServer, string]> = {
    'does not look at verifyRequest()': [
      class extends MemoryDatagramServer {
        constructor() {
          super()
          Object.defineProperty(this, 'verifyRequest', { get: () => () => true, set() {} })
        }
      },
      'shows nobody what verifyRequest() refuses'
    ],
    'forgets to count': [
      class extends MemoryDatagramServer {
        override workEnded(outcome: Parameters<MemoryDatagramServer['workEnded']>[0]): void {
          super.workEnded(outcome)
          this.counters.served = 0
        }
      },
      'counts so that all adds up'
    ],
    'cuts those inside at once': [
      class extends MemoryDatagramServer {
        override close(): ReturnType<MemoryDatagramServer['close']> {
          return super.close({ deadline: 0 })
        }
      },
      'serves those who wait and those inside, before it has closed'
    ],
    'has no deadline': [
      class extends MemoryDatagramServer {
        override close(): ReturnType<MemoryDatagramServer['close']> {
          return super.close({ deadline: Number.POSITIVE_INFINITY })
        }
      },
      'cuts off at the deadline who is still inside'
    ]
  }
  for (const [how, [Server, complaint]] of Object.entries(brokenServers)) {
    it(`names the case where a server ${how}`, async () => {
      const checking = checkServer(
        {
          name: 'a broken server',
          server: () => new Server(),
          ask: (server, input) => ({ sent: Promise.resolve(), reply: server.send(input) })
        },
        { patience }
      )
      expect(await complaints(checking)).toEqual(about(complaint))
    })
  }
})

describe('a kit', () => {
  const subject = streams(() => ({}))

  it('registers its cases where it is told to, by names that begin with the subject', async () => {
    const registered: string[] = []
    const runs: (() => Promise<void>)[] = []
    const test = (name: string, run: () => Promise<void>): void => {
      registered.push(name)
      runs.push(run)
    }
    await checkStreamListener(subject, { test })
    expect(registered.length).toBeGreaterThan(20)
    expect(new Set(registered).size).toBe(registered.length)
    for (const name of registered) expect(name).toMatch(/^a broken listener /)
    await runs[0]?.()
  })

  it('leaves out what a subject cannot do', async () => {
    const names = async (able: Partial<StreamListenerSubject>): Promise<string> => {
      const registered: string[] = []
      await checkStreamListener({ ...subject, ...able }, { test: (name) => registered.push(name) })
      return registered.join()
    }
    expect(await names({})).toContain('reset')
    const { reset: _, ...calm } = subject
    const registered: string[] = []
    await checkStreamListener(calm, { test: (name) => registered.push(name) })
    expect(registered.join()).not.toContain('reset')
    expect(await names({ onDemand: true })).not.toContain('holds `maxPending`')
  })

  it('refuses options that it does not have', async () => {
    await expect(
      checkServer({ name: 'x', server: () => new BaseServer(), ask: () => ({}) as never }, { tests: it } as object)
    ).rejects.toThrow(/has no option tests/)
  })
})
