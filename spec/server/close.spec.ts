import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  BaseServer,
  type EndEvent,
  parallel,
  type Report,
  type StreamRequest,
  sequential,
  TCPServer
} from '../../lib/index.ts'
import { type Deferred, deferred } from '../../lib/iterator/deferred.ts'
import { runChild } from '../support/child.ts'
import { overhear } from '../support/events.ts'
import { dial, exchange, received } from '../support/peers.ts'
import { QuietTCPServer } from '../support/quiet.ts'
import { gone } from '../support/servers.ts'
import { printedDuring } from '../support/stderr.ts'

const nobody: Report = { finished: 0, aborted: 0, refused: 0, stillOpen: [] }
const forever = Number.POSITIVE_INFINITY

describe('close', () => {
  it('is told to requests and to the server at once, and only once', async () => {
    const begun = deferred<StreamRequest>()
    const server = await new QuietTCPServer().listen()
    let stops = 0
    server.stopping.addEventListener('abort', () => stops++)
    const handling = server.handleRequest(async (request) => {
      begun.resolve(request)
      await once(request.stopping, 'abort')
    })
    const reply = exchange(server.address, '')
    const request = await begun.promise
    expect([server.stopping.aborted, request.stopping.aborted]).toEqual([false, false])
    const closing = server.close()
    expect([server.stopping.aborted, request.stopping.aborted]).toEqual([true, true])
    expect(request.signal.aborted).toBe(false)
    void server.close()
    expect((await handling)?.status).toBe('fulfilled')
    expect(await reply).toBe('')
    expect(await closing).toMatchObject({ finished: 1, aborted: 0 })
    expect(stops).toBe(1)
    expect(request.signal.aborted).toBe(false)
  })

  it('lets those who wait be served by the loop that runs', async () => {
    using arrived = overhear('accepted')
    const gate = deferred<void>()
    const begun = deferred<void>()
    const server = await new QuietTCPServer({ backend: 'node' }, async ({ wfile }) => {
      begun.resolve()
      await gate.promise
      await wfile.write('served')
    }).listen()
    const serving = server.serveForever()
    const replies = [1, 2, 3].map(() => exchange(server.address, ''))
    await arrived.count(3)
    await begun.promise
    const closing = server.close({ deadline: forever })
    gate.resolve()
    expect(await Promise.all(replies)).toEqual(['served', 'served', 'served'])
    expect(await closing).toEqual({ finished: 3, aborted: 0, refused: 0, stillOpen: [] })
    expect(await serving).toBe(await closing)
  })

  it('refuses those who wait where no loop runs', async () => {
    using arrived = overhear('accepted')
    using refused = overhear('refused')
    const server = await new QuietTCPServer({ backend: 'node' }).listen()
    const clients = await Promise.all([1, 2, 3].map(() => dial(server.address)))
    const ports = clients.map(({ localPort: port }) => ({ family: 'IPv4', host: '127.0.0.1', port }))
    const ends = clients.map((client) => once(client.on('error', () => {}).resume(), 'close'))
    await arrived.count(3)
    expect(server.stats()).toMatchObject({ accepted: 3, waiting: 3 })
    expect(await server.close({ deadline: forever })).toEqual({ finished: 0, aborted: 0, refused: 3, stillOpen: [] })
    for (const client of clients) client.end()
    await Promise.all(ends)
    expect(refused.messages).toEqual(
      expect.arrayContaining(ports.map((clientAddress) => ({ server, clientAddress, reason: 'closing' })))
    )
    expect(refused.messages.length).toBe(3)
    expect(server.stats()).toMatchObject({ refused: 3, waiting: 0, open: 0 })
  })

  it('refuses those who wait behind the one request that handleRequest was to serve', { timeout: 5_000 }, async () => {
    using arrived = overhear('accepted')
    const gate = deferred<void>()
    const server = await new QuietTCPServer({ backend: 'node' }).listen()
    const handling = server.handleRequest(() => gate.promise)
    const clients = await Promise.all([1, 2, 3].map(() => dial(server.address)))
    for (const client of clients) client.on('error', () => {}).resume()
    await arrived.count(3)
    const closing = server.close({ deadline: forever })
    for (const client of clients) client.end()
    gate.resolve()
    expect((await handling)?.status).toBe('fulfilled')
    expect(await closing).toEqual({ finished: 1, aborted: 0, refused: 2, stillOpen: [] })
  })

  it('refuses those who wait where the last loop is left after it began', { timeout: 5_000 }, async () => {
    using arrived = overhear('accepted')
    const server = await new QuietTCPServer({ backend: 'node' }).listen()
    const loop = server.requests({ closeOnReturn: false })
    const clients = await Promise.all([1, 2].map(() => dial(server.address)))
    for (const client of clients) client.on('error', () => {}).resume()
    await arrived.count(2)
    const { value: request } = await loop.next()
    const closing = server.close({ deadline: forever })
    for (const client of clients) client.end()
    await request?.close()
    await loop.return?.()
    expect(await closing).toEqual({ finished: 1, aborted: 0, refused: 1, stillOpen: [] })
  })

  it('may be called in a handler that does not wait for it', async () => {
    const closings: Promise<Report>[] = []
    const server = await new QuietTCPServer().listen()
    const serving = server.serveForever(
      parallel(async (request) => {
        closings.push(request.server.close())
        await request.wfile.write('last words')
      })
    )
    expect(await exchange(server.address, '')).toBe('last words')
    const report = await serving
    expect(report).toEqual({ finished: 1, aborted: 0, refused: 0, stillOpen: [] })
    expect(await closings[0]).toBe(report)
    expect(server.errors).toEqual([])
  })

  it('returns at the deadline in a handler that waits for it', async () => {
    const server = await new QuietTCPServer().listen()
    const reports: Report[] = []
    const reasons: unknown[] = []
    const handling = server.handleRequest(async (request: StreamRequest) => {
      reports.push(await request.server.close({ deadline: 1 }))
      reasons.push(request.abortReason)
    })
    const client = await dial(server.address)
    client.on('error', () => {}).resume()
    await handling
    expect(reports).toEqual([await server.closed])
    expect(reports).toMatchObject([{ finished: 0, aborted: 1, refused: 0 }])
    expect(reasons).toMatchObject([{ cause: 'deadline' }])
    client.destroy()
  })

  it('takes an earlier deadline when called again, and no later one', async () => {
    for (const deadlines of [
      [forever, 0],
      [2 ** 31 - 1, 60_000, 0],
      [0, forever, 60_000]
    ]) {
      const begun = deferred<void>()
      const gate = deferred<void>()
      const server = await new QuietTCPServer().listen()
      const handling = server.handleRequest(async () => {
        begun.resolve()
        await gate.promise
      })
      const client = await dial(server.address)
      client.on('error', () => {}).resume()
      await begun.promise
      const closings = deadlines.map((deadline) => server.close({ deadline }))
      const reports = await Promise.all(closings)
      expect(new Set(reports).size).toBe(1)
      expect(reports[0]).toMatchObject({ finished: 0, aborted: 1 })
      gate.resolve()
      await handling
      client.destroy()
    }
  })

  it('leaves no timer behind, where it is called again while it ends', async () => {
    const { code, stdout, stderr } = await runChild(`
      class Insistent extends lib.BaseServer {
        async serverRelease() {
          await new Promise((resolve) => setImmediate(resolve))
          void this.close({ deadline: 10_000 })
        }
      }
      const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
      const before = timers()
      await new Insistent().close()
      console.log(timers() - before)
      process.exit()
    `)
    expect({ code, stderr, timers: stdout.trim() }).toEqual({ code: 0, stderr: '', timers: '0' })
  })

  it('by [Symbol.asyncDispose]', async () => {
    const server = await new TCPServer().listen()
    await server[Symbol.asyncDispose]()
    expect(await server.closed).toEqual(nobody)
  })

  it('tells of those whose peers have not ended at the deadline as they were served, or refused', async () => {
    using ended = overhear<EndEvent>('end')
    const server = await new QuietTCPServer({ lingerTimeout: forever }).listen()
    let came = 0
    server.verifyRequest = () => came++ > 0
    const clients = await Promise.all([1, 2].map(() => dial(server.address)))
    const ends = clients.map((client) => once(client.resume(), 'end'))
    const next = await server.requests({ closeOnReturn: false }).next()
    const request = next.value as StreamRequest
    await Promise.all([request.close(), ...ends])
    expect(server.stats()).toMatchObject({ open: 2, refused: 1 })
    expect(await server.close({ deadline: 0 })).toMatchObject({ finished: 1, aborted: 0, refused: 0 })
    expect(ended.messages).toMatchObject([{ outcome: { request, status: 'fulfilled' } }])
    for (const client of clients) client.destroy()
  })

  it('goes on where serverDiscard throws, which is noted', async () => {
    const noted: unknown[] = []
    class Table extends BaseServer {
      protected override serverDiscard(): void {
        throw new Error('it is stuck')
      }

      override handleError(error: unknown): void {
        noted.push(error)
      }
    }
    const server = await new Table().listen()
    const next = server.requests().next()
    expect(await server.close()).toEqual(nobody)
    expect(await next).toEqual({ done: true, value: undefined })
    expect(noted[0]).toMatchObject({ message: 'it is stuck' })
  })

  it('waits for its hooks, in this order: serverClose, serverRelease', async () => {
    const order: string[] = []
    class Table extends BaseServer {
      protected override async serverClose(): Promise<void> {
        order.push('serverClose')
        await new Promise((resolve) => setImmediate(resolve))
        order.push('serverClose done')
      }

      protected override serverDiscard(): void {
        if (!order.includes('serverDiscard')) order.push('serverDiscard')
      }

      protected override async serverRelease(): Promise<void> {
        order.push('serverRelease')
        await new Promise((resolve) => setImmediate(resolve))
        order.push('serverRelease done')
      }
    }
    const server = await new Table().listen()
    await server.close()
    order.splice(order.indexOf('serverDiscard'), 1)
    expect(order).toEqual(['serverClose', 'serverClose done', 'serverRelease', 'serverRelease done'])
  })

  for (const hook of ['serverClose', 'serverRelease'] as const) {
    for (const [kind, handleError] of Object.entries({ notes: undefined, 'cannot even note': 'also broken' })) {
      it(`goes on where ${hook} throws, and ${kind} it`, { timeout: 5_000 }, async () => {
        const noted: unknown[] = []
        class Troubled extends BaseServer {
          override handleError(error: unknown): void {
            noted.push(error)
            if (handleError !== undefined) throw new Error(handleError)
          }
        }
        const server = await new Troubled().listen()
        const trouble = new Error('trouble')
        Object.assign(server, { [hook]: () => Promise.reject(trouble) })
        const printed = await printedDuring(async () => {
          expect(await server.close({ deadline: forever })).toEqual(nobody)
        })
        expect(noted).toEqual([trouble])
        // Where nobody else takes note of them, both errors are printed.
        for (const message of ['trouble', 'also broken']) {
          expect(printed.includes(message)).toBe(handleError !== undefined)
        }
      })
    }
  }
})

describe('the report', () => {
  it('tells who finished and who was cut off', async () => {
    const began = new Map<string, { request: StreamRequest; gate: Deferred<void> }>()
    const allBegan = deferred<void>()
    const server = await new QuietTCPServer().listen()
    const serving = server.serveForever(
      parallel(async (request) => {
        await request.wfile.write('hello')
        const gate = deferred<void>()
        began.set(String(await request.rfile.readLine({ chomp: true })), { request, gate })
        if (began.size === 4) allBegan.resolve()
        await gate.promise
      })
    )
    const clients = new Map<string, Socket>()
    for (const name of ['early', 'late', 'stubborn', 'unruly']) {
      const client = await dial(server.address)
      client.on('error', () => {}).resume()
      client.write(`${name}\n`)
      clients.set(name, client)
    }
    await allBegan.promise
    const closing = server.close({ deadline: forever })
    for (const name of ['early', 'late']) {
      const { request, gate } = began.get(name) as { request: StreamRequest; gate: Deferred<void> }
      gate.resolve()
      clients.get(name)?.end()
      await gone(request)
    }
    void server.close({ deadline: 0 })
    const report = await closing
    const cut = (name: string): unknown => ({
      request: began.get(name)?.request,
      clientAddress: began.get(name)?.request.clientAddress,
      age: expect.any(Number),
      bytesIn: `${name}\n`.length,
      bytesOut: 'hello'.length
    })
    expect(report).toEqual({ finished: 2, aborted: 2, refused: 0, stillOpen: [cut('stubborn'), cut('unruly')] })
    for (const { age } of report.stillOpen) expect(age).toBeGreaterThan(0)
    for (const { gate } of began.values()) gate.resolve()
    for (const client of clients.values()) client.destroy()
    await serving
  })

  it('counts as finished only those who were served', async () => {
    using arrived = overhear('accepted')
    const begun = deferred<void>()
    const gate = deferred<void>()
    class Strict extends QuietTCPServer {
      override verifyRequest(): boolean {
        return !this.stopping.aborted
      }
    }
    const server = await new Strict({ backend: 'node' }, async () => {
      begun.resolve()
      await gate.promise
    }).listen()
    const serving = server.serveForever()
    const replies = [1, 2, 3].map(() => exchange(server.address, ''))
    await begun.promise
    await arrived.count(3)
    const closing = server.close({ deadline: forever })
    gate.resolve()
    expect(await Promise.all(replies)).toEqual(['', '', ''])
    expect(await closing).toEqual({ finished: 1, aborted: 0, refused: 2, stillOpen: [] })
    await serving
  })

  it('leaves out those who had gone before the close', async () => {
    const server = await new QuietTCPServer().listen()
    const requests: StreamRequest[] = []
    const serving = server.serveForever(parallel((request) => void requests.push(request)))
    for (let i = 0; i < 3; i++) expect(await exchange(server.address, '')).toBe('')
    await Promise.all(requests.map(gone))
    expect(await server.close()).toEqual(nobody)
    await serving
  })

  it('is given when nobody is open any more', async () => {
    const begun = deferred<void>()
    const gate = deferred<void>()
    const server = await new QuietTCPServer().listen()
    const handling = server.handleRequest(async () => {
      begun.resolve()
      await gate.promise
    })
    const client = await dial(server.address)
    client.on('error', () => {}).resume()
    await begun.promise
    expect(server.stats().open).toBe(1)
    expect(await server.close({ deadline: 0 })).toMatchObject({ aborted: 1 })
    expect(server.stats().open).toBe(0)
    gate.resolve()
    await handling
    client.destroy()
  })

  it('is the same for all: close, closed, serveForever', async () => {
    const server = await new QuietTCPServer().listen()
    const serving = server.serveForever(sequential(() => {}))
    const { closed } = server
    const report = await server.close()
    expect(await closed).toBe(report)
    expect(await serving).toBe(report)
    expect(await server.close()).toBe(report)
  })
})

describe('a client of a server that closes', () => {
  it('gets all of a reply that was under way', async () => {
    const size = 4 * 1024 * 1024
    const begun = deferred<void>()
    const server = await new QuietTCPServer().listen()
    const handling = server.handleRequest(async ({ wfile }) => {
      const writing = wfile.write(Buffer.alloc(size, 1))
      begun.resolve()
      await writing
    })
    const client = await dial(server.address)
    await begun.promise
    const closing = server.close()
    client.end()
    expect((await received(client)).length).toBe(size)
    expect((await handling)?.status).toBe('fulfilled')
    expect(await closing).toMatchObject({ finished: 1, aborted: 0 })
  })
})
