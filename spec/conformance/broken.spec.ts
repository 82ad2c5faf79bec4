import { describe, expect, it } from 'vitest'
import { BaseServer, type CloseOptions, type DatagramRequest, type Listener, type Request } from '../../lib/index.ts'
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
import { turns } from '../support/turns.ts'

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
    'takes in while it is suspended': [
      () => ({ suspend() {} }),
      'refuses who comes while it is suspended, counted and published with the reason'
    ],
    'never takes in again': [() => ({ resume() {} }), 'and goes on after `resume()`'],
    'drops, where it is suspended, who waits': [
      (good) => ({
        suspend() {
          good.discard()
          good.suspend()
        }
      }),
      'still hands over, while it is suspended, those who came before'
    ],
    'cuts off, where it is suspended, who is inside': [
      (good) => {
        const inside: Request[] = []
        return {
          accept: async () => {
            const request = await good.accept()
            if (request !== undefined) inside.push(request)
            return request
          },
          suspend() {
            for (const request of inside) request.abort()
            good.suspend()
          }
        }
      },
      'lets a request that was handed over go on while it is suspended'
    ],
    'cannot be closed while it is suspended': [
      (good) => {
        let suspended = false
        return {
          suspend() {
            suspended = true
            good.suspend()
          },
          accept: async () => (await good.accept()) ?? (suspended ? new Promise<never>(() => {}) : undefined)
        }
      },
      'ends the accept that waits where it is closed while it is suspended'
    ],
    'forgets its suspension where it begins to listen': [
      (good) => ({
        listen: () => {
          good.resume()
          return good.listen()
        }
      }),
      'may be suspended before it listens'
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

  // Of those who leave outside who comes meanwhile: here the good one is one that never refuses anybody.
  const keeping = (bend: Bend): StreamListenerSubject => ({ ...streams(bend), keepsSuspended: true })
  const brokenKeepers: Record<string, [Bend, string]> = {
    'refuses who should wait': [() => ({}), 'leaves outside who comes while it is suspended'],
    'takes in who should wait': [() => ({ suspend() {} }), 'leaves outside who comes while it is suspended'],
    'loses at its close who came while it was suspended': [
      () => ({}),
      'still hands over, after its close, all who came while it was suspended'
    ]
  }
  for (const [how, [bend, complaint]] of Object.entries(brokenKeepers)) {
    it(`names the case where a listener of connections ${how}`, async () => {
      expect(await complaints(checkStreamListener(keeping(bend), { patience }))).toEqual(about(complaint))
    })
  }

  it('names the case where a listener of datagrams drops what should wait', async () => {
    const subject = { ...datagrams(() => ({})), keepsSuspended: true }
    const found = await complaints(checkDatagramListener(subject, { patience }))
    expect(found).toEqual(about('leaves outside what comes while it is suspended'))
    expect(found).toEqual(about('still hands over, after its close, all that came while it was suspended'))
  })

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
    ],
    'takes in while it is suspended': [
      () => ({ suspend() {} }),
      'drops what comes while it is suspended, counted and published with the reason'
    ],
    'never takes in again': [() => ({ resume() {} }), 'and goes on after `resume()`'],
    'keeps back, where it is suspended, what waits': [
      (good) => {
        let suspended = false
        return {
          suspend() {
            suspended = true
            good.suspend()
          },
          resume() {
            suspended = false
            good.resume()
          },
          accept: () => (suspended && good.waiting > 0 ? new Promise<never>(() => {}) : good.accept())
        }
      },
      'still hands over, while it is suspended, what came before'
    ],
    'cannot be closed while it is suspended': [
      (good) => {
        let suspended = false
        return {
          suspend() {
            suspended = true
            good.suspend()
          },
          accept: async () => (await good.accept()) ?? (suspended ? new Promise<never>(() => {}) : undefined)
        }
      },
      'ends the accept that waits where it is closed while it is suspended'
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
    ],
    'takes in while it is suspended': [
      class extends MemoryDatagramServer {
        protected override serverSuspend(): void {}
      },
      'refuses who comes while it is suspended, counted with the reason'
    ],
    'never takes in again': [
      class extends MemoryDatagramServer {
        protected override serverResume(): void {}
      },
      'and goes on where it is resumed'
    ],
    'keeps back, where it is suspended, those whom it has taken in': [
      class extends MemoryDatagramServer {
        override async getRequest(signal: AbortSignal): Promise<DatagramRequest | undefined> {
          while (this.suspended && !signal.aborted) await turns()
          return super.getRequest(signal)
        }
      },
      'serves those inside while it is suspended, and those whom it has taken in before'
    ],
    'cannot be closed while it is suspended': [
      class extends MemoryDatagramServer {
        override close(options?: CloseOptions): ReturnType<MemoryDatagramServer['close']> {
          return this.suspended && options?.deadline !== 0 ? new Promise(() => {}) : super.close(options)
        }
      },
      'ends its loops where it is closed while it is suspended'
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
