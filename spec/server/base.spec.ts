import { EventEmitter, once } from 'node:events'
import { describe, expect, it } from 'vitest'
import {
  BaseServer,
  DatagramRequestHandler,
  drain,
  type Handler,
  MessageRequest,
  parallel,
  pipe,
  type RefusedEvent,
  type Settlement,
  StreamRequestHandler,
  sequential,
  through
} from '../../lib/index.ts'
import { type Deferred, deferred } from '../../lib/iterator/deferred.ts'
import { overhear, settled } from '../support/events.ts'
import { gone } from '../support/servers.ts'

/** A server that keeps books: what was replied, and how each row was given back. */
class Desk extends BaseServer<MessageRequest> {
  readonly errors: unknown[] = []
  readonly books: string[] = []

  override handleError(error: unknown): void {
    this.errors.push(error)
  }

  row(packet: string): MessageRequest {
    return new MessageRequest({
      server: this,
      packet,
      reply: (bytes) => this.reply(packet, bytes),
      release: (outcome) => this.release(packet, outcome)
    })
  }

  reply(packet: string, bytes: Buffer): unknown {
    this.books.push(`${packet} → ${JSON.stringify(bytes.toString())}`)
    return undefined
  }

  release(packet: string, outcome: Settlement): unknown {
    this.books.push(`${packet} ${outcome.status === 'fulfilled' ? 'committed' : `given back (${outcome.status})`}`)
    return undefined
  }
}

/** Serves the rows of an array, and ends. */
class Table extends Desk {
  readonly rows: string[]

  constructor(rows: string[], handler?: Handler<MessageRequest>) {
    super({}, handler)
    this.rows = rows
  }

  override getRequest(): MessageRequest | undefined {
    const packet = this.rows.shift()
    return packet === undefined ? undefined : this.row(packet)
  }
}

/** Answers when it is told to. */
class Inbox extends Desk {
  readonly asked: { readonly signal: AbortSignal; readonly answer: Deferred<MessageRequest | undefined> }[] = []

  override getRequest(signal: AbortSignal): Promise<MessageRequest | undefined> {
    const answer = deferred<MessageRequest | undefined>()
    this.asked.push({ signal, answer })
    return answer.promise
  }
}

class Upper extends DatagramRequestHandler {
  override async handle() {
    await this.wfile.write(this.packet.toString().toUpperCase())
  }
}

const handlers: Record<string, Handler> = {
  'a DatagramRequestHandler': Upper,
  'a StreamRequestHandler that knows nothing of messages': class extends StreamRequestHandler {
    override timeout = 60_000

    override async handle() {
      for await (const line of this.rfile.lines()) await this.wfile.write(line.toString().toUpperCase())
    }
  },
  'a function': async ({ rfile, wfile }) => wfile.write((await rfile.readAll()).toString().toUpperCase()),
  'through(transform)': through(async function* (source) {
    for await (const bytes of source) yield Buffer.from(bytes.subarray()).toString().toUpperCase()
  })
}

const inBooks = ['one → "ONE"', 'one committed', 'two → "TWO"', 'two committed', 'three → "THREE"', 'three committed']
const rows = (): string[] => ['one', 'two', 'three']

describe('a server of rows', () => {
  for (const [kind, handler] of Object.entries(handlers)) {
    it(`replies to each and commits it: ${kind}, sequential`, async () => {
      const server = new Table(rows(), handler)
      expect(await server.serveForever()).toEqual({ finished: 0, aborted: 0, refused: 0, stillOpen: [] })
      expect(server.books).toEqual(inBooks)
      expect(server.errors).toEqual([])
    })

    it(`replies to each and commits it: ${kind}, parallel`, async () => {
      const server = new Table(rows())
      await server.serveForever(parallel(handler))
      expect(server.books.toSorted()).toEqual(inBooks.toSorted())
      for (const row of rows()) {
        expect(server.books.indexOf(`${row} committed`)).toBeGreaterThan(
          server.books.findIndex((entry) => entry.startsWith(`${row} →`))
        )
      }
      expect(server.stats()).toMatchObject({ served: 3, failed: 0, refused: 0, open: 0, waiting: 0 })
    })

    it(`replies to each and commits it: ${kind}, handleRequest`, async () => {
      const server = new Table(rows(), handler)
      for (const row of rows()) {
        expect(await server.handleRequest()).toMatchObject({
          status: 'fulfilled',
          request: { packet: Buffer.from(row) }
        })
      }
      expect(await server.handleRequest()).toBe(undefined)
      expect(server.books).toEqual(inBooks)
      await server.close()
    })
  }

  it('replies to each and commits it: a bare loop that closes them', async () => {
    const server = new Table(rows())
    for await (const request of server) {
      await request.wfile.write(request.packet.toString().toUpperCase())
      await request.close()
    }
    expect(server.books).toEqual(inBooks)
  })

  it('replies to each and commits it: a bare loop with await using', async () => {
    const server = new Table(rows())
    for await (const request of server) {
      await using row = request
      await row.wfile.write(row.packet.toString().toUpperCase())
    }
    expect(server.books).toEqual(inBooks)
  })

  it('replies to each and commits it: a bare loop with pipe', async () => {
    const server = new Table(rows())
    for await (const request of server) {
      await pipe(
        request,
        async function* (source) {
          for await (const bytes of source) yield Buffer.from(bytes.subarray()).toString().toUpperCase()
        },
        request
      )
    }
    expect(server.books).toEqual(inBooks)
  })

  it('gives back what failed, without the half of a reply', async () => {
    const server = new Table(rows())
    const handler = async ({ packet, wfile }: MessageRequest): Promise<void> => {
      await wfile.write('half')
      if (packet.toString() === 'two') throw new Error('no two')
    }
    await server.serveForever(sequential(handler))
    expect(server.books).toEqual([
      'one → "half"',
      'one committed',
      'two given back (rejected)',
      'three → "half"',
      'three committed'
    ])
    expect(server.errors).toEqual([new Error('no two')])
    expect(server.stats()).toMatchObject({ served: 2, failed: 1, open: 0 })
  })

  it('sends no reply where nothing was written, and an empty one where that was written', async () => {
    const server = new Table(rows())
    await server.serveForever(
      sequential(({ packet, wfile }) => (packet.toString() === 'two' ? wfile.write('') : 'value'))
    )
    expect(server.books).toEqual(['one committed', 'two → ""', 'two committed', 'three committed'])
  })

  it('gives back what verifyRequest refuses', async () => {
    const server = new Table(rows(), Upper)
    server.verifyRequest = ({ packet }) => packet.toString() !== 'two'
    await server.serveForever()
    expect(server.books).toEqual([
      'one → "ONE"',
      'one committed',
      'two given back (aborted)',
      'three → "THREE"',
      'three committed'
    ])
    expect(server.stats()).toMatchObject({ served: 2, refused: 1, failed: 0 })
  })

  it('gives back what could not be replied to', async () => {
    const trouble = new Error('nobody there')
    const server = new Table(rows(), Upper)
    const { reply } = server
    server.reply = (packet, bytes) => {
      if (packet === 'two') return Promise.reject(trouble)
      return reply.call(server, packet, bytes)
    }
    const outcomes: string[] = []
    for await (const { status } of sequential(Upper)(server)) outcomes.push(status)
    expect(outcomes).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(server.books.filter((entry) => entry.startsWith('two'))).toEqual(['two given back (rejected)'])
    expect(server.errors).toEqual([trouble])
  })

  it('goes on after a release that throws, and reports it', async () => {
    const trouble = new Error('commit failed')
    const server = new Table(rows(), Upper)
    server.release = (packet) => {
      if (packet === 'two') throw trouble
    }
    const outcomes: string[] = []
    for await (const { status } of parallel(Upper, { limit: 1 })(server)) outcomes.push(status)
    expect(outcomes).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(server.errors).toEqual([trouble])
    expect(server.stats()).toMatchObject({ served: 2, failed: 1, open: 0 })
  })

  it('says what it is: no address, no descriptor', async () => {
    const server = new Table(rows())
    expect([server.address, server.fileno()]).toEqual([undefined, undefined])
    const { value: request } = await server[Symbol.asyncIterator]().next()
    expect(request?.clientAddress).toBe(undefined)
    expect(request?.server).toBe(server)
    await request?.close()
    await server.close()
  })
})

describe('a row that is cut off', () => {
  /** A row is being served, and its release takes a while. */
  async function cut(handle: (request: MessageRequest) => unknown) {
    const begun = deferred<MessageRequest>()
    const finish = deferred<void>()
    const released = deferred<void>()
    const server = new Table(['one'])
    const { release } = server
    server.release = async (packet, outcome) => {
      release.call(server, packet, outcome)
      await released.promise
    }
    const handling = server.handleRequest(async (request) => {
      await request.wfile.write('half')
      begun.resolve(request)
      await finish.promise
      return handle(request)
    })
    return { server, handling, request: await begun.promise, finish, released }
  }

  it('is given back once, with no reply, by abort()', async () => {
    const { server, handling, request, finish, released } = await cut(({ signal }) => signal.throwIfAborted())
    request.abort(new Error('enough'))
    expect(server.books).toEqual(['one given back (aborted)'])
    finish.resolve()
    await settled(handling)
    released.resolve()
    expect(await handling).toMatchObject({ status: 'aborted', reason: { cause: 'server-error' } })
    await gone(request)
    expect(server.books).toEqual(['one given back (aborted)'])
    await server.close()
  })

  it('is given back once, with no reply, at the deadline', async () => {
    const { server, handling, request, finish, released } = await cut(({ signal }) => signal.throwIfAborted())
    const report = await server.close({ deadline: 0 })
    expect(report).toMatchObject({ finished: 0, aborted: 1, refused: 0 })
    // Whatever its handler does.
    expect(server.books).toEqual(['one given back (aborted)'])
    expect(report.stillOpen).toEqual([
      {
        request: expect.any(MessageRequest),
        clientAddress: undefined,
        age: expect.any(Number),
        bytesIn: 'one'.length,
        bytesOut: 0
      }
    ])
    finish.resolve()
    await settled(handling)
    released.resolve()
    expect(await handling).toMatchObject({ status: 'aborted', reason: { cause: 'deadline' } })
    await gone(request)
    expect(server.books).toEqual(['one given back (aborted)'])
  })

  it('is not committed any more, though its handler ends well', async () => {
    const { server, handling, request, finish, released } = await cut(() => 'well')
    request.abort(new Error('enough'))
    finish.resolve()
    await settled(handling)
    released.resolve()
    await handling
    await gone(request)
    expect(server.books).toEqual(['one given back (aborted)'])
    await server.close()
  })

  for (const noted of [true, false]) {
    it(`whose release fails harms nobody${noted ? '' : ', not even where handleError throws'}`, async () => {
      const trouble = new Error('rollback failed')
      const server = new Table(['one', 'two'])
      const { handleError } = server
      server.release = (packet) => {
        if (packet === 'one') throw trouble
      }
      if (!noted) {
        server.handleError = (error) => {
          handleError.call(server, error)
          throw new Error('also broken')
        }
      }
      let served = 0
      for await (const request of server) {
        if (request.packet.toString() === 'one') request.abort()
        else served++
        await request.close()
        await gone(request)
      }
      await settled(server.closed)
      expect(served).toBe(1)
      expect(server.errors).toEqual([trouble])
    })
  }
})

describe('getRequest', () => {
  it('that never answers is ended by close(): every loop sees the end', async () => {
    const server = new Inbox()
    const loops = [
      drain(server),
      server.serveForever(parallel(Upper)),
      server.serveForever(sequential(Upper)),
      server.handleRequest(Upper)
    ]
    await settled(Promise.all(loops))
    expect(server.asked.length).toBe(1)
    expect(server.asked[0]?.signal.aborted).toBe(false)
    const report = await server.close({ deadline: Number.POSITIVE_INFINITY })
    expect(await Promise.all(loops)).toEqual([undefined, report, report, undefined])
    expect(server.asked[0]?.signal.aborted).toBe(true)
    expect(server.asked.length).toBe(1)
  })

  it('may answer the abort of its signal by a rejection: the loops end well', async () => {
    const rows = new EventEmitter()
    class Queue extends Desk {
      override async getRequest(signal: AbortSignal): Promise<MessageRequest> {
        const [packet] = (await once(rows, 'row', { signal })) as [string]
        return this.row(packet)
      }
    }
    const server = new Queue()
    const loops = [drain(server), server.serveForever(parallel(Upper)), server.handleRequest(Upper)]
    await settled(Promise.all(loops))
    const report = await server.close()
    expect(await Promise.all(loops)).toEqual([undefined, report, undefined])
    expect(report).toEqual({ finished: 0, aborted: 0, refused: 0, stillOpen: [] })
    expect(server.errors).toEqual([])
  })

  it('that answers after the close has its request refused and given back', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = new Inbox()
    let verified = 0
    server.verifyRequest = () => {
      verified++
      return true
    }
    const serving = server.serveForever(parallel(Upper))
    await settled(serving)
    await server.close()
    await serving
    const late = server.row('late')
    server.asked[0]?.answer.resolve(late)
    await gone(late)
    expect(server.books).toEqual(['late given back (aborted)'])
    expect(refused.messages).toEqual([{ server, clientAddress: undefined, reason: 'closing' }])
    expect(server.stats()).toMatchObject({ refused: 1, served: 0, failed: 0, open: 0, waiting: 0 })
    expect(verified).toBe(0)
    expect(server.errors).toEqual([])
  })

  it('that fails after the close harms nobody', async () => {
    const server = new Inbox()
    const serving = server.serveForever(sequential(Upper))
    await settled(serving)
    const report = await server.close()
    server.asked[0]?.answer.reject(new Error('connection lost'))
    expect(await serving).toBe(report)
    expect(server.errors).toEqual([])
  })

  it('is asked only while somebody waits for a request', async () => {
    const server = new Inbox()
    await server.listen()
    expect(server.asked.length).toBe(0)
    const begun = deferred<void>()
    const gate = deferred<void>()
    const serving = server.serveForever(
      sequential(async () => {
        begun.resolve()
        await gate.promise
      })
    )
    await settled(serving)
    expect(server.asked.length).toBe(1)
    server.asked[0]?.answer.resolve(server.row('one'))
    await begun.promise
    await settled(serving)
    expect(server.asked.length).toBe(1)
    gate.resolve()
    await settled(serving)
    expect(server.asked.length).toBe(2)
    server.asked[1]?.answer.resolve(undefined)
    await serving
    expect(server.books).toEqual(['one committed'])
  })

  it('is not asked for more requests than a mode may hold', async () => {
    let mostOpen = 0
    const server = new Table(Array.from({ length: 50 }, (_, i) => `row ${i}`))
    await server.serveForever(
      parallel(
        async () => {
          mostOpen = Math.max(mostOpen, server.stats().open)
          await new Promise((resolve) => setImmediate(resolve))
        },
        { limit: 7 }
      )
    )
    expect(mostOpen).toBe(7)
    expect(server.stats()).toMatchObject({ served: 50, open: 0 })
  })

  it('answers undefined for the end: of all loops, and of the server that serves for ever', async () => {
    const server = new Inbox()
    const loops = [drain(server), server.serveForever(parallel(Upper)), server.serveForever(sequential(Upper))]
    await settled(Promise.all(loops))
    server.asked[0]?.answer.resolve(undefined)
    const [, ...reports] = await Promise.all(loops)
    expect(reports).toEqual([await server.closed, await server.closed])
    expect(server.asked.length).toBe(1)
  })

  for (const how of ['throws', 'rejects'] as const) {
    it(`that ${how} ends every loop with that error, after the running work, and closes the server`, async () => {
      const dead = new Error('table dropped')
      class Dying extends Table {
        override getRequest(): MessageRequest | undefined {
          const row = super.getRequest()
          if (row !== undefined) return row
          if (how === 'throws') throw dead
          return Promise.reject(dead) as never
        }
      }
      const server = new Dying(['one'])
      const gate = deferred<void>()
      const serving = server.serveForever(
        parallel(async ({ wfile }) => {
          await gate.promise
          await wfile.write('ONE')
        })
      )
      expect(await settled(serving)).toBe(false)
      gate.resolve()
      await expect(serving).rejects.toBe(dead)
      expect(await server.closed).toMatchObject({ aborted: 0 })
      expect(server.books).toEqual(['one → "ONE"', 'one committed'])
    })
  }
})
