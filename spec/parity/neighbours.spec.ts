import { once } from 'node:events'
import { existsSync, unlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  type Address,
  BusyError,
  ClosedError,
  type EndEvent,
  ListenError,
  parallel,
  type StartEvent,
  type StreamRequest,
  StreamRequestHandler,
  TCPServer,
  UDPServer,
  UnixStreamServer
} from '../../lib/index.ts'
import { type Deferred, deferred } from '../../lib/iterator/deferred.ts'
import { overhear, settled } from '../support/events.ts'
import { dial, exchange, exchangeDatagram, received, temporaryPath } from '../support/peers.ts'
import { QuietTCPServer, QuietUnixStreamServer } from '../support/quiet.ts'
import { gone } from '../support/servers.ts'

/** Cases that the suites of other servers have: Ranch, Thousand Island, trio, asyncio. */

const here = { host: '127.0.0.1', port: 0 }

const echoLine = async ({ rfile, wfile }: StreamRequest): Promise<void> => {
  const line = await rfile.readLine()
  if (line !== undefined) await wfile.write(line)
}

/** The end of a connection as its client sees it: all it got, and whether that ended well. */
function fate(client: Socket): Promise<{ bytes: number; end: 'end' | 'reset' }> {
  return new Promise((resolve) => {
    let bytes = 0
    client.on('data', (chunk) => {
      bytes += chunk.length
    })
    client.on('end', () => resolve({ bytes, end: 'end' }))
    client.on('error', () => resolve({ bytes, end: 'reset' }))
  })
}

describe('as in Ranch', () => {
  it('serves ten of eleven clients, and the eleventh when one leaves', async () => {
    using arrived = overhear('accepted')
    using started = overhear<StartEvent>('start')
    const server = await new QuietTCPServer({ ...here, backend: 'node' }).listen()
    const serving = server.serveForever(parallel(echoLine, { limit: 10 }))
    const clients: Socket[] = []
    for (let i = 0; i < 11; i++) clients.push(await dial(server.address))
    await arrived.count(11)
    await started.count(10)
    expect(await settled(started.count(11))).toBe(false)
    expect(server.stats()).toMatchObject({ accepted: 11, open: 10, waiting: 1 })

    const [first, ...rest] = clients as [Socket, ...Socket[]]
    first.end('first\n')
    expect(String(await received(first))).toBe('first\n')
    await started.count(11)
    expect(server.stats().waiting).toBe(0)
    for (const [i, client] of rest.entries()) {
      client.end(`${i}\n`)
      expect(String(await received(client))).toBe(`${i}\n`)
    }
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 11, served: 11, failed: 0 })
  })

  it('starts and stops ten times in a row on the same port', async () => {
    let port = 0
    for (let round = 0; round < 10; round++) {
      const server = await new QuietTCPServer({ ...here, port }, echoLine).listen()
      if (round === 0) port = server.address.port
      expect(server.address.port).toBe(port)
      const serving = server.serveForever()
      const client = await dial(server.address)
      client.write(`${round}\n`)
      // The server ends first, so that the port still has a connection in TIME_WAIT at the next start.
      expect(String(await received(client))).toBe(`${round}\n`)
      client.end()
      await server.close()
      await serving
    }
  })

  it('stops while a stubborn handler ignores it: the deadline cuts it, and the report names it', async () => {
    const begun = deferred<StreamRequest>()
    const nothingHelps = deferred<void>()
    const stubborn = async (request: StreamRequest): Promise<void> => {
      await request.wfile.write('no\n')
      await request.rfile.readLine()
      begun.resolve(request)
      await nothingHelps.promise
    }
    const server = await new QuietTCPServer(here).listen()
    const serving = server.serveForever(parallel(stubborn))
    const client = await dial(server.address)
    const ended = fate(client)
    client.write('stop\n')
    const request = await begun.promise
    const report = await server.close({ deadline: 0 })
    expect(report).toEqual({
      finished: 0,
      aborted: 1,
      refused: 0,
      stillOpen: [
        {
          request,
          clientAddress: { family: 'IPv4', host: '127.0.0.1', port: client.localPort },
          age: expect.any(Number),
          bytesIn: 'stop\n'.length,
          bytesOut: 'no\n'.length
        }
      ]
    })
    expect(report.stillOpen[0]?.age).toBeGreaterThan(0)
    expect(request.signal.reason).toMatchObject({ code: 'ERR_REQUEST_ABORTED', cause: 'deadline' })
    expect((await ended).bytes).toBe('no\n'.length)
    nothingHelps.resolve()
    await serving
  })

  it('is not hurt by a client that died while it waited', async () => {
    using arrived = overhear('accepted')
    const server = await new QuietTCPServer({ ...here, backend: 'node' }, echoLine).listen()
    const serving = server.serveForever()
    const busy = await dial(server.address)
    const dying = await dial(server.address)
    const patient = await dial(server.address)
    await arrived.count(3)
    dying.resetAndDestroy()
    patient.end('patient\n')
    busy.end('busy\n')
    expect(String(await received(busy))).toBe('busy\n')
    expect(String(await received(patient))).toBe('patient\n')
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 3, served: 2, failed: 1, open: 0 })
    expect(server.errors).toEqual([expect.objectContaining({ cause: 'peer-gone' })])
  })

  it('still accepts after a hundred connections of which half were killed', async () => {
    using arrived = overhear('accepted')
    using ended = overhear('end')
    const server = await new QuietTCPServer(here).listen()
    const serving = server.serveForever(parallel(echoLine, { limit: 7 }))
    const survivors: Promise<string>[] = []
    for (let i = 0; i < 100; i++) {
      const client = await dial(server.address)
      // Some are killed while they wait, some while they are served, some half-way through their line.
      if (i % 3 === 0) client.write('half a li')
      if (i % 2 === 0) client.resetAndDestroy()
      else {
        survivors.push(received(client).then(String))
        client.end(`${i % 3 === 0 ? 'ne' : 'line'} ${i}\n`)
      }
    }
    const replies = await Promise.all(survivors)
    expect(replies).toEqual(
      Array.from({ length: 50 }, (_, n) => n * 2 + 1).map((i) => `${i % 3 === 0 ? 'half a line' : 'line'} ${i}\n`)
    )
    await arrived.count(100)
    await ended.count(100)
    expect(await exchange(server.address, 'still here\n')).toBe('still here\n')
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 101, open: 0, waiting: 0 })
    expect(server.stats().served + server.stats().failed).toBe(101)
  })
})

describe('as in Thousand Island', () => {
  it('answers out of order, in the order in which the handlers finish', async () => {
    const gates = new Map<string, Deferred<void>>()
    using started = overhear('start')
    const handler = async ({ rfile, wfile }: StreamRequest): Promise<string> => {
      const name = String(await rfile.readLine({ chomp: true }))
      await gates.get(name)?.promise
      await wfile.write(name)
      return name
    }
    const server = await new QuietTCPServer(here).listen()
    const outcomes = parallel(handler)(server)
    const first = outcomes.next()
    const names = ['a', 'b', 'c']
    const replies = new Map(
      names.map((name) => {
        gates.set(name, deferred())
        return [name, exchange(server.address, `${name}\n`)]
      })
    )
    await started.count(3)
    const finished: unknown[] = []
    for (const name of names.toReversed()) {
      gates.get(name)?.resolve()
      expect(await replies.get(name)).toBe(name)
      const { value } = await (finished.length === 0 ? first : outcomes.next())
      finished.push(value)
    }
    expect(finished).toEqual(names.toReversed().map((value) => expect.objectContaining({ status: 'fulfilled', value })))
    await server.close()
    expect(await outcomes.next()).toEqual({ done: true, value: undefined })
  })

  const stillborn = {
    constructor: class extends StreamRequestHandler {
      constructor(request: StreamRequest) {
        super(request)
        throw new Error('stillborn')
      }
    },
    setup: class extends StreamRequestHandler {
      override setup(): void {
        throw new Error('stillborn')
      }

      override handle(): void {
        void this.wfile.write('handled')
      }

      override finish(): void {
        void this.wfile.write('finished')
      }
    },
    'an asynchronous setup': class extends StreamRequestHandler {
      override async setup() {
        await this.rfile.readLine()
        throw new Error('stillborn')
      }

      override handle(): void {
        void this.wfile.write('handled')
      }

      override finish(): void {
        void this.wfile.write('finished')
      }
    }
  }

  for (const [where, Stillborn] of Object.entries(stillborn)) {
    it(`closes the socket of a handler that fails to start: ${where}`, async () => {
      const server = await new QuietTCPServer(here, Stillborn).listen()
      const serving = server.serveForever()
      expect(await exchange(server.address, 'hello\n')).toBe('')
      expect(await exchange(server.address, 'hello\n')).toBe('')
      await server.close()
      await serving
      expect(server.errors).toEqual([new Error('stillborn'), new Error('stillborn')])
      expect(server.stats()).toMatchObject({ served: 0, failed: 2, open: 0 })
    })
  }

  it('lets a handler say goodbye when the server stops', async () => {
    const begun = deferred<void>()
    const polite = async (request: StreamRequest): Promise<void> => {
      expect(request.stopping.aborted).toBe(false)
      begun.resolve()
      await once(request.stopping, 'abort')
      await request.wfile.write('goodbye\n')
    }
    const server = await new QuietTCPServer(here).listen()
    const serving = server.serveForever(parallel(polite))
    const reply = exchange(server.address, '')
    await begun.promise
    const report = await server.close()
    expect(await reply).toBe('goodbye\n')
    expect(report).toEqual({ finished: 1, aborted: 0, refused: 0, stillOpen: [] })
    await serving
    expect(server.errors).toEqual([])
  })

  it('publishes exactly one start and one end for each request, however it went', async () => {
    using started = overhear<StartEvent>('start')
    using ended = overhear<EndEvent>('end')
    const moody = async (request: StreamRequest): Promise<void> => {
      const line = String(await request.rfile.readLine({ chomp: true }))
      if (line === 'throw') throw new Error('thrown')
      if (line === 'abort') request.abort(new Error('aborted'))
      if (line === 'close') await request.close()
      await request.rfile.readAll().catch((error: unknown) => {
        if (!(error instanceof ClosedError)) throw error
      })
    }
    class Picky extends QuietTCPServer {
      count = 0

      override verifyRequest(): boolean {
        this.count++
        return this.count !== 5
      }
    }
    const server = await new Picky(here).listen()
    const serving = server.serveForever(parallel(moody))
    const clients = ['well\n', 'throw\n', 'abort\n', 'close\n', 'refused\n', 'well\n']
    const statuses: string[] = []
    for (const line of clients) {
      const client = await dial(server.address)
      const seen = fate(client)
      client.end(line)
      await seen
    }
    await ended.count(5)
    await server.close()
    await serving
    for (const { outcome } of ended.messages) statuses.push(outcome.status)
    expect(statuses.sort()).toEqual(['aborted', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
    const startedRequests = started.messages.map(({ request }) => request)
    const endedRequests = ended.messages.map(({ outcome }) => outcome.request)
    expect(startedRequests.length).toBe(5)
    expect(new Set(startedRequests).size).toBe(5)
    expect(endedRequests.length).toBe(5)
    expect(new Set(endedRequests)).toEqual(new Set(startedRequests))
    for (const { outcome } of ended.messages) expect(outcome.elapsed).toBeGreaterThanOrEqual(0)
  })

  it('shows the real port where 0 was asked for', async () => {
    const stream = await new TCPServer({ port: 0 }).listen()
    const datagram = await new UDPServer({ port: 0 }).listen()
    expect(stream.address).toEqual({ family: 'IPv4', host: '127.0.0.1', port: expect.any(Number) })
    expect(datagram.address).toEqual({ family: 'IPv4', host: '127.0.0.1', port: expect.any(Number) })
    const [byStream, byDatagram] = [exchange(stream.address, 's\n'), exchangeDatagram(datagram.address, 'd\n')]
    await stream.handleRequest(echoLine)
    await datagram.handleRequest(async ({ rfile, wfile }) => wfile.write((await rfile.readLine()) ?? ''))
    expect([await byStream, await byDatagram]).toEqual(['s\n', 'd\n'])
    await Promise.all([stream.close(), datagram.close()])
  })
})

describe('as in trio', () => {
  it('wakes a reader that is blocked when its request is closed', async () => {
    const server = await new QuietTCPServer(here).listen()
    const client = await dial(server.address)
    const handling = server.handleRequest(async (request: StreamRequest) => {
      const reading = request.rfile.readLine()
      await Promise.all([reading, request.close()])
    })
    expect((await fate(client)).end).toBe('end')
    expect(await handling).toMatchObject({ status: 'rejected', reason: expect.any(ClosedError) })
    client.destroy()
    await server.close()
  })

  it('wakes the loops that are blocked when the server is closed', async () => {
    const server = await new QuietTCPServer(here).listen()
    const loops = Array.from({ length: 3 }, async () => {
      for await (const request of server) await request.close()
      return 'ended'
    })
    const one = server.handleRequest(echoLine)
    await settled(one)
    await server.close()
    expect(await Promise.all([...loops, one])).toEqual(['ended', 'ended', 'ended', undefined])
  })

  it('delivers data and then the end, where data is sent and then closed', async () => {
    // More than the kernel takes at once, in a pattern that fits no power of two.
    const data = Buffer.alloc(8 * 1024 * 1024, Buffer.from(Array.from({ length: 251 }, (_, i) => i)))
    const got = deferred<Buffer>()
    const server = await new QuietTCPServer(here).listen()
    const handling = server.handleRequest(async ({ rfile, wfile }: StreamRequest) => {
      got.resolve(await rfile.readAll())
      expect(await rfile.read()).toBe(undefined)
      expect(await rfile.readLine()).toBe(undefined)
      // Not awaited: the close sends it.
      void wfile.write(data)
    })
    const client = await dial(server.address)
    client.end(data)
    expect((await got.promise).equals(data)).toBe(true)
    expect((await received(client)).equals(data)).toBe(true)
    expect((await handling)?.status).toBe('fulfilled')
    await server.close()
  })

  it('may be closed twice, request and server alike', async () => {
    const server = await new QuietTCPServer(here).listen()
    const reply = exchange(server.address, 'line\n')
    const requests: StreamRequest[] = []
    const handling = server.handleRequest(async (request: StreamRequest) => {
      requests.push(request)
      await echoLine(request)
      await Promise.all([request.close(), request.close()])
      await request.close()
    })
    expect(await reply).toBe('line\n')
    expect((await handling)?.status).toBe('fulfilled')
    const [request] = requests as [StreamRequest]
    await gone(request)
    await request.close()
    request.abort()
    expect(request.abortReason).toBe(undefined)
    const [first, second] = await Promise.all([server.close(), server.close()])
    expect(second).toBe(first)
    expect(await server.close()).toBe(first)
    expect(server.stats()).toMatchObject({ served: 1, failed: 0 })
  })

  it('refuses a second reader', async () => {
    const server = await new QuietTCPServer(here).listen()
    const client = await dial(server.address)
    const outcome = await server.handleRequest(async ({ rfile, wfile }: StreamRequest) => {
      const first = rfile.readLine()
      await expect(rfile.readLine()).rejects.toThrow(BusyError)
      client.end('line\n')
      await wfile.write((await first) ?? '')
    })
    expect((await received(client)).toString()).toBe('line\n')
    expect(outcome?.status).toBe('fulfilled')
    await server.close()
  })

  const binds: Record<string, (address?: Address) => TCPServer | UDPServer | UnixStreamServer> = {
    TCPServer: (address) =>
      new TCPServer(address?.family === 'IPv4' ? { host: address.host, port: address.port } : here),
    UDPServer: (address) =>
      new UDPServer(address?.family === 'IPv4' ? { host: address.host, port: address.port } : here),
    UnixStreamServer: (address) =>
      new UnixStreamServer({ path: address?.family === 'unix' ? address.path : temporaryPath() })
  }

  for (const [name, bind] of Object.entries(binds)) {
    it(`binds again after the close and not before it: ${name}`, async () => {
      const live = await bind().listen()
      const { address } = live
      const rival = bind(address)
      await expect(rival.listen()).rejects.toMatchObject({ constructor: ListenError, code: 'EADDRINUSE' })
      await live.close()
      const heir = await bind(address).listen()
      expect(heir.address).toEqual(address)
      await heir.close()
    })
  }
})

describe('as in asyncio', () => {
  it('closes, waits and cuts off with both buffers full', async () => {
    const failed = deferred<unknown>()
    const stuck = deferred<void>()
    const server = await new QuietTCPServer(here).listen()
    const handling = server.handleRequest(async ({ wfile }: StreamRequest) => {
      const writing = wfile.write(Buffer.alloc(16 * 1024 * 1024))
      stuck.resolve()
      await writing.catch((error: unknown) => {
        failed.resolve(error)
        throw error
      })
    })
    const client = await dial(server.address)
    client.on('error', () => {})
    client.write(Buffer.alloc(16 * 1024 * 1024))
    await stuck.promise
    expect(await settled(failed.promise)).toBe(false)
    const { aborted, stillOpen } = await server.close({ deadline: 0 })
    expect(aborted).toBe(1)
    expect(stillOpen[0]).toMatchObject({ bytesIn: 0, bytesOut: 16 * 1024 * 1024 })
    expect(await failed.promise).toMatchObject({ cause: 'deadline' })
    expect(await handling).toMatchObject({ status: 'aborted', reason: { cause: 'deadline' } })
    client.destroy()
  })

  it('is closed only when the last handler has ended', async () => {
    const begun = deferred<void>()
    const gate = deferred<void>()
    const server = await new QuietTCPServer(here).listen()
    const serving = server.serveForever(
      parallel(async () => {
        begun.resolve()
        await gate.promise
      })
    )
    const reply = exchange(server.address, '')
    await begun.promise
    const closing = server.close({ deadline: Number.POSITIVE_INFINITY })
    expect(await settled(closing)).toBe(false)
    expect(await settled(serving)).toBe(false)
    gate.resolve()
    expect(await closing).toMatchObject({ finished: 1, aborted: 0 })
    expect(await serving).toBe(await closing)
    expect(await reply).toBe('')
  })

  it('closes where its Unix path has gone', async () => {
    const server = await new QuietUnixStreamServer({ path: temporaryPath() }, echoLine).listen()
    unlinkSync(server.address.path)
    expect(await server.close()).toMatchObject({ aborted: 0 })
    expect(server.errors).toEqual([])
  })

  it('leaves a Unix path alone that it could not bind', async () => {
    const server = await new QuietUnixStreamServer({ path: temporaryPath() }, echoLine).listen()
    const rival = new QuietUnixStreamServer({ path: server.address.path })
    await expect(rival.listen()).rejects.toThrow(ListenError)
    await rival.close()
    const reply = exchange(server.address, 'still mine\n')
    await server.handleRequest()
    expect(await reply).toBe('still mine\n')
    await server.close()
    expect(existsSync(server.address.path)).toBe(false)
  })
})
