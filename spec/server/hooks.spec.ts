import { describe, expect, it } from 'vitest'
import {
  BusyError,
  type Handler,
  parallel,
  type Settlement,
  type StreamRequest,
  sequential,
  TCPServer,
  type Work
} from '../../lib/index.ts'
import { overhear } from '../support/events.ts'
import { exchange } from '../support/peers.ts'
import { QuietTCPServer } from '../support/quiet.ts'
import { printedDuring } from '../support/stderr.ts'

type Call = [hook: string, ...args: unknown[]]

/** Takes note of every call of a hook, and does what the hook does. */
class Recorder extends TCPServer {
  readonly calls: Call[] = []
  readonly signals: AbortSignal[] = []
  #answering = 0
  mostAnswering = 0

  override serverBind(...args: []): void | Promise<void> {
    this.calls.push(['serverBind', ...args])
    return super.serverBind()
  }

  override serverActivate(...args: []): Promise<void> {
    this.calls.push(['serverActivate', ...args])
    return super.serverActivate()
  }

  override async getRequest(signal: AbortSignal): Promise<StreamRequest | undefined> {
    if (this.signals.length === 0) this.calls.push(['getRequest', signal])
    this.signals.push(signal)
    this.#answering++
    this.mostAnswering = Math.max(this.mostAnswering, this.#answering)
    try {
      return await super.getRequest(signal)
    } finally {
      this.#answering--
    }
  }

  override verifyRequest(...args: [StreamRequest]): boolean | Promise<boolean> {
    this.calls.push(['verifyRequest', ...args])
    return super.verifyRequest(...args)
  }

  override processRequest(...args: [StreamRequest, Work]): Promise<void> | void {
    this.calls.push(['processRequest', ...args])
    return super.processRequest(...args)
  }

  override finishRequest(...args: [StreamRequest, Work]): Promise<unknown> {
    this.calls.push(['finishRequest', ...args])
    return super.finishRequest(...args)
  }

  override closeRequest(...args: [StreamRequest, Settlement]): Promise<void> | void {
    this.calls.push(['closeRequest', ...args])
    return super.closeRequest(...args)
  }

  override handleError(...args: [unknown, StreamRequest?]): void {
    this.calls.push(['handleError', ...args])
  }

  override handleTimeout(...args: []): void {
    this.calls.push(['handleTimeout', ...args])
  }

  protected override serverClose(...args: []): void | Promise<void> {
    this.calls.push(['serverClose', ...args])
    return super.serverClose()
  }

  protected override serverRelease(...args: []): void | Promise<void> {
    this.calls.push(['serverRelease', ...args])
    return super.serverRelease()
  }
}

type Serve = (server: Recorder, handler: Handler<StreamRequest>) => Promise<unknown>

const modes: Record<string, Serve> = {
  'serveForever()': (server) => server.serveForever(),
  'serveForever(sequential)': (server, handler) => server.serveForever(sequential(handler)),
  'serveForever(parallel)': (server, handler) => server.serveForever(parallel(handler)),
  'handleRequest()': (server) => server.handleRequest(),
  'handleRequest(handler)': (server, handler) => server.handleRequest(handler)
}

const opening = [['serverBind'], ['serverActivate'], ['getRequest', expect.any(AbortSignal)]]
const closing = [['serverClose'], ['serverRelease']]
const aWork = expect.objectContaining({ run: expect.any(Function) })

for (const [mode, serve] of Object.entries(modes)) {
  describe(`hooks in ${mode}`, () => {
    /** One client comes; what was called, from the opening to the closing, and what the client got. */
    async function visit(server: Recorder, handler: Handler<StreamRequest>, requests: StreamRequest[]) {
      await server.listen()
      using arrived = overhear('accepted')
      const serving = serve(server, handler)
      const reply = await exchange(server.address, 'hello\n')
      await arrived.count(1)
      await server.close()
      await serving
      const seen = server.calls.find(([hook]) => hook === 'verifyRequest')?.[1] as StreamRequest
      requests.push(seen)
      expect(seen.clientAddress).toMatchObject({ family: 'IPv4', host: '127.0.0.1' })
      return reply
    }

    it('of a request that is served', async () => {
      const requests: StreamRequest[] = []
      const handler = async (request: StreamRequest): Promise<string> => {
        server.calls.push(['handle', request])
        await request.wfile.write('reply')
        return 'value'
      }
      const server = new Recorder({}, handler)
      expect(await visit(server, handler, requests)).toBe('reply')
      const [request] = requests
      expect(server.calls).toEqual([
        ...opening,
        ['verifyRequest', request],
        ['processRequest', request, aWork],
        ['finishRequest', request, aWork],
        ['handle', request],
        ['closeRequest', request, { status: 'fulfilled', value: 'value' }],
        ...closing
      ])
      const [, [, , processed], [, , finished]] = server.calls.slice(3) as [Call, Call, Call]
      expect(processed).toBe(finished)
    })

    it('of a request whose handler fails: it is still open in handleError', async () => {
      const requests: StreamRequest[] = []
      const error = new Error('failed')
      const handler = async (request: StreamRequest): Promise<never> => {
        server.calls.push(['handle', request])
        throw error
      }
      class Sorry extends Recorder {
        override handleError(...args: [unknown, StreamRequest?]): void {
          super.handleError(...args)
          void args[1]?.wfile.write('sorry')
        }
      }
      const server = new Sorry({}, handler)
      expect(await visit(server, handler, requests)).toBe('sorry')
      const [request] = requests
      expect(server.calls).toEqual([
        ...opening,
        ['verifyRequest', request],
        ['processRequest', request, aWork],
        ['finishRequest', request, aWork],
        ['handle', request],
        ['handleError', error, request],
        ['closeRequest', request, { status: 'rejected', reason: error }],
        ...closing
      ])
    })

    const refusals: Record<string, () => boolean | Promise<boolean>> = {
      'says no': () => false,
      'says no later': async () => false,
      throws: () => {
        throw new Error('cannot tell')
      },
      rejects: () => Promise.reject(new Error('cannot tell'))
    }
    for (const [how, refuse] of Object.entries(refusals)) {
      it(`of a request for which verifyRequest ${how}`, async () => {
        using refused = overhear('refused')
        const requests: StreamRequest[] = []
        const handler = (): never => {
          throw new Error('served')
        }
        class Strict extends Recorder {
          override verifyRequest(...args: [StreamRequest]): boolean | Promise<boolean> {
            void super.verifyRequest(...args)
            return refuse()
          }
        }
        const server = new Strict({}, handler)
        expect(await visit(server, handler, requests)).toBe('')
        const [request] = requests
        const reports = how.startsWith('says') ? [] : [['handleError', new Error('cannot tell'), request]]
        const reason = expect.objectContaining({ name: 'AbortedError', cause: 'refused' })
        expect(server.calls).toEqual([
          ...opening,
          ['verifyRequest', request],
          ...reports,
          ['closeRequest', request, { status: 'aborted', reason }],
          ...closing
        ])
        expect(refused.messages).toEqual([{ server, clientAddress: request?.clientAddress, reason: 'verify' }])
      })
    }

    it('getRequest: one call at a time, with a signal that aborts at the close', async () => {
      const handler = (): void => {}
      const server = new Recorder({}, handler)
      await visit(server, handler, [])
      expect(server.mostAnswering).toBe(1)
      expect(server.signals.length).toBeGreaterThan(0)
      for (const signal of server.signals) expect(signal.aborted).toBe(true)
    })
  })
}

describe('getRequest', () => {
  it('is called once at a time for all loops together, and not before anybody waits', async () => {
    const server = await new Recorder().listen()
    expect(server.signals).toEqual([])
    const handler = ({ wfile }: StreamRequest): Promise<void> => wfile.write('reply')
    const loops = [
      server.serveForever(parallel(handler)),
      server.serveForever(sequential(handler)),
      server.handleRequest(handler),
      server.serveForever(parallel(handler, { limit: 2 }))
    ]
    const replies = await Promise.all(Array.from({ length: 20 }, () => exchange(server.address, '')))
    expect(replies).toEqual(Array(20).fill('reply'))
    expect(server.mostAnswering).toBe(1)
    expect(server.signals[0]?.aborted).toBe(false)
    await server.close()
    await Promise.all(loops)
    expect(server.stats()).toMatchObject({ accepted: 20, served: 20 })
    const { signals } = server
    expect(new Set(signals).size).toBe(1)
    expect(signals[0]?.aborted).toBe(true)
  })
})

describe('verifyRequest', () => {
  it('is asked before a loop sees the request, whatever the loop', async () => {
    class Every2nd extends QuietTCPServer {
      count = 0

      override async verifyRequest(): Promise<boolean> {
        this.count++
        return this.count % 2 === 0
      }
    }
    const server = await new Every2nd().listen()
    const replies: string[] = []
    const clients = (async () => {
      for (let i = 0; i < 6; i++) replies.push(await exchange(server.address, ''))
      await server.close()
    })()
    for await (const request of server) {
      await request.wfile.write('seen')
      await request.close()
    }
    await clients
    expect(replies).toEqual(['', 'seen', '', 'seen', '', 'seen'])
    expect(server.stats()).toMatchObject({ accepted: 6, refused: 3 })
  })
})

/** What three clients get, one after the other, and what the server noted. */
async function threeVisits(
  server: QuietTCPServer
): Promise<{ replies: string[]; errors: unknown[]; statuses: string[] }> {
  await server.listen()
  const statuses: string[] = []
  const serving = server.serveForever(async function* (source) {
    for await (const outcome of parallel(hello)(source)) {
      statuses.push(outcome.status)
      yield outcome
    }
  })
  using ended = overhear('end')
  const replies: string[] = []
  // A request that is cut off may end with a reset.
  for (let i = 0; i < 3; i++) replies.push(await exchange(server.address, '').catch(() => ''))
  await ended.count(3)
  await server.close()
  await serving
  expect(server.stats().open).toBe(0)
  return { replies, errors: server.errors, statuses }
}

const hello = ({ wfile }: StreamRequest): Promise<void> => wfile.write('hello')

/** Does something of its own with the second of three requests. */
abstract class Second extends QuietTCPServer {
  count = 0

  isSecond(): boolean {
    this.count++
    return this.count === 2
  }
}

describe('processRequest', () => {
  it('may wrap what it overrides', async () => {
    const order: string[] = []
    class Wrapping extends QuietTCPServer {
      override async processRequest(request: StreamRequest, work: Work): Promise<void> {
        order.push('before')
        await request.wfile.write('<')
        await super.processRequest(request, work)
        await request.wfile.write('>')
        order.push('after')
      }

      override closeRequest(request: StreamRequest, outcome: Settlement): Promise<void> | void {
        order.push('close')
        return super.closeRequest(request, outcome)
      }
    }
    expect(await threeVisits(new Wrapping())).toEqual({
      replies: ['<hello>', '<hello>', '<hello>'],
      errors: [],
      statuses: ['fulfilled', 'fulfilled', 'fulfilled']
    })
    expect(order).toEqual(Array(3).fill(['before', 'after', 'close']).flat())
  })

  it('may choose not to run the work', async () => {
    class Choosy extends Second {
      override processRequest(request: StreamRequest, work: Work): Promise<void> | void {
        if (!this.isSecond()) return super.processRequest(request, work)
      }
    }
    const server = new Choosy()
    expect(await threeVisits(server)).toEqual({
      replies: ['hello', '', 'hello'],
      errors: [],
      statuses: ['fulfilled', 'aborted', 'fulfilled']
    })
  })

  const trouble = new Error('trouble')
  for (const when of ['before', 'after'] as const) {
    for (const how of ['throws', 'rejects'] as const) {
      it(`fails its request alone where it ${how}, ${when} the work`, async () => {
        class Troubled extends Second {
          override processRequest(request: StreamRequest, work: Work): Promise<void> | void {
            const second = this.isSecond()
            if (!second) return super.processRequest(request, work)
            if (when === 'after') return Promise.resolve(super.processRequest(request, work)).then(() => fail())
            return fail()
          }
        }
        const fail = (): Promise<void> => {
          if (how === 'rejects') return Promise.reject(trouble)
          throw trouble
        }
        expect(await threeVisits(new Troubled())).toEqual({
          replies: ['hello', when === 'after' ? 'hello' : '', 'hello'],
          errors: [trouble],
          statuses: ['fulfilled', 'rejected', 'fulfilled']
        })
      })
    }
  }

  it('cannot run the work twice', async () => {
    class Twice extends Second {
      override async processRequest(request: StreamRequest, work: Work): Promise<void> {
        await super.processRequest(request, work)
        if (this.isSecond()) await work.run()
      }
    }
    expect(await threeVisits(new Twice())).toEqual({
      replies: ['hello', 'hello', 'hello'],
      errors: [expect.any(BusyError)],
      statuses: ['fulfilled', 'rejected', 'fulfilled']
    })
  })
})

describe('finishRequest', () => {
  it('may wrap the handler, and the value of the outcome is the handler’s', async () => {
    class Timed extends QuietTCPServer {
      override async finishRequest(request: StreamRequest, work: Work): Promise<unknown> {
        await request.wfile.write('[')
        const value = await super.finishRequest(request, work)
        await request.wfile.write(`]${value}`)
        return 'ignored'
      }
    }
    const server = await new Timed().listen()
    const handling = server.handleRequest(async ({ wfile }) => {
      await wfile.write('in')
      return 7
    })
    expect(await exchange(server.address, '')).toBe('[in]7')
    expect(await handling).toMatchObject({ status: 'fulfilled', value: 7 })
    await server.close()
  })
})

describe('closeRequest', () => {
  const trouble = new Error('trouble')

  for (const how of ['throws', 'rejects'] as const) {
    it(`that ${how} fails its request alone, and the request is closed all the same`, async () => {
      class Troubled extends Second {
        override closeRequest(request: StreamRequest, outcome: Settlement): Promise<void> | void {
          if (!this.isSecond()) return super.closeRequest(request, outcome)
          if (how === 'rejects') return Promise.reject(trouble)
          throw trouble
        }
      }
      const { replies, errors, statuses } = await threeVisits(new Troubled())
      expect([replies[0], replies[2]]).toEqual(['hello', 'hello'])
      expect(errors).toEqual([trouble])
      expect(statuses).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    })

    it(`that ${how} for a refused request is noted, and the request is closed all the same`, async () => {
      class Troubled extends Second {
        override verifyRequest(): boolean {
          return !this.isSecond()
        }

        override closeRequest(request: StreamRequest, outcome: Settlement): Promise<void> | void {
          if (outcome.status !== 'aborted') return super.closeRequest(request, outcome)
          if (how === 'rejects') return Promise.reject(trouble)
          throw trouble
        }
      }
      const server = await new Troubled().listen()
      const serving = server.serveForever(parallel(hello))
      const replies: string[] = []
      for (let i = 0; i < 3; i++) replies.push(await exchange(server.address, '').catch(() => ''))
      await server.close()
      await serving
      expect(replies).toEqual(['hello', '', 'hello'])
      expect(server.errors).toEqual([trouble])
      expect(server.stats()).toMatchObject({ accepted: 3, served: 2, refused: 1, failed: 0, open: 0 })
    })
  }

  it('that throws does not hide what the handler threw', async () => {
    class Troubled extends QuietTCPServer {
      override closeRequest(): never {
        throw trouble
      }
    }
    const first = new Error('first')
    const server = await new Troubled().listen()
    const handling = server.handleRequest(() => Promise.reject(first))
    await exchange(server.address, '').catch(() => {})
    expect(await handling).toMatchObject({ status: 'rejected', reason: first })
    expect(server.errors[0]).toBe(first)
    await server.close()
  })
})

describe('handleError', () => {
  for (const how of ['throws', 'rejects'] as const) {
    it(`that ${how} ends no loop: both errors are printed`, async () => {
      class Troubled extends TCPServer {
        override handleError(): Promise<void> {
          if (how === 'rejects') return Promise.reject(new Error('in handleError'))
          throw new Error('in handleError')
        }
      }
      const server = await new Troubled().listen()
      let count = 0
      const serving = server.serveForever(
        parallel(async (request) => {
          count++
          if (count === 2) throw new Error('in the handler')
          await hello(request)
        })
      )
      const replies: string[] = []
      const printed = await printedDuring(async () => {
        for (let i = 0; i < 3; i++) replies.push(await exchange(server.address, ''))
        await server.close()
        await serving
      })
      expect(replies).toEqual(['hello', '', 'hello'])
      expect(printed).toContain('Error: in the handler')
      expect(printed).toContain('Error: in handleError')
    })

    it(`that ${how} for verifyRequest ends no loop either`, async () => {
      class Troubled extends TCPServer {
        override verifyRequest(): boolean {
          throw new Error('in verifyRequest')
        }

        override handleError(): Promise<void> {
          if (how === 'rejects') return Promise.reject(new Error('in handleError'))
          throw new Error('in handleError')
        }
      }
      const server = await new Troubled().listen()
      const serving = server.serveForever(parallel(hello))
      const printed = await printedDuring(async () => {
        expect(await exchange(server.address, '')).toBe('')
        expect(await exchange(server.address, '')).toBe('')
        await server.close()
        await serving
      })
      expect(printed.match(/Error: in verifyRequest/g)?.length).toBe(2)
      expect(printed.match(/Error: in handleError/g)?.length).toBe(2)
    })
  }

  it('is waited for: the request stays open as long as it takes', async () => {
    class Slow extends TCPServer {
      override async handleError(_error: unknown, request?: StreamRequest): Promise<void> {
        const question = await request?.rfile.readLine({ chomp: true })
        await request?.wfile.write(`sorry, no ${question}`)
      }
    }
    const server = await new Slow().listen()
    const handling = server.handleRequest(() => Promise.reject(new Error('no')))
    expect(await exchange(server.address, 'coffee\n')).toBe('sorry, no coffee')
    expect((await handling)?.status).toBe('rejected')
    await server.close()
  })

  it('prints the error, its stack and where the request came from, where nobody overrides it', async () => {
    const server = await new TCPServer().listen()
    const handling = server.handleRequest(() => Promise.reject(new RangeError('out of range')))
    const printed = await printedDuring(async () => {
      expect(await exchange(server.address, '')).toBe('')
      await handling
    })
    expect(printed).toMatch(/Exception occurred during processing of request from 127\.0\.0\.1:\d+\n/)
    expect(printed).toMatch(/RangeError: out of range\n +at /)
    await server.close()
  })

  it('prints one line for a request that was cut off', async () => {
    const server = await new TCPServer().listen()
    const handling = server.handleRequest((request) => {
      request.abort(new Error('enough'))
      throw new Error('stopped')
    })
    const printed = await printedDuring(async () => {
      await exchange(server.address, '').catch(() => {})
      await handling
    })
    expect(printed).toMatch(/^The request from 127\.0\.0\.1:\d+ was aborted: enough\n$/)
    await server.close()
  })
})
