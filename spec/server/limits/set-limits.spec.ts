import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  BaseServer,
  type DroppedEvent,
  type HandshakeEvent,
  type InternetAddress,
  parallel,
  type RefusedEvent,
  type Request,
  type StreamRequest,
  type TCPServer,
  type TLSServer,
  UDPServer,
  type UndeliveredEvent,
  UnixDatagramServer
} from '../../../lib/index.ts'
import { MemoryDatagramServer } from '../../../lib/testing/entry.ts'
import { bounded, counted, kindNames, kinds, visit } from '../../support/bounded-servers.ts'
import { udpClient } from '../../support/datagram-clients.ts'
import { unixPeer } from '../../support/datagram-peers.ts'
import { overhear } from '../../support/events.ts'
import { temporaryPath } from '../../support/peers.ts'
import { quiet } from '../../support/quiet.ts'
import { turns, until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'
import { unixDatagramClient } from '../../support/unix-clients.ts'
import { Visitor } from '../../support/visitor.ts'

checkNothingUnhandled()

const { POSITIVE_INFINITY: unlimited } = Number

const ofAll = { requestTimeout: unlimited, maxPending: 1_024 }
const ofConnections = {
  ...ofAll,
  maxConnections: expect.any(Number),
  maxConnectionsPerAddress: unlimited,
  idleTimeout: unlimited,
  lingerTimeout: 1_000,
  maxLingerBytes: 16 * 1_024 * 1_024
}
const ofDatagrams = { ...ofAll, maxPacketSize: unlimited, maxQueuedReplies: 1_024, sendTimeout: 30_000 }

interface Limited {
  readonly limits: object
  setLimits(limits: object): void
}

const makers: Record<string, { make: (limits: object) => Limited; defaults: object }> = {
  BaseServer: { make: (limits) => new BaseServer(limits), defaults: { requestTimeout: unlimited } },
  UDPServer: { make: (limits) => new UDPServer(limits), defaults: ofDatagrams },
  UnixDatagramServer: {
    make: (limits) => new UnixDatagramServer({ path: temporaryPath(), ...limits }),
    defaults: ofDatagrams
  },
  MemoryDatagramServer: {
    make: (limits) => new MemoryDatagramServer(limits),
    defaults: { ...ofAll, maxPacketSize: unlimited }
  }
}
for (const name of kindNames) {
  const isTLS = name.startsWith('TLS')
  makers[name] = {
    make: kinds[name].make,
    defaults: isTLS ? { ...ofConnections, maxHandshakes: 8_192, handshakeTimeout: 5_000 } : ofConnections
  }
}

const mistakes: [name: string, value: unknown, error: typeof TypeError | typeof RangeError][] = [
  ['requestTimeout', 0, RangeError],
  ['requestTimeout', 2 ** 31, RangeError],
  ['requestTimeout', '1', TypeError],
  ['maxPending', 0, RangeError],
  ['maxConnections', 0, RangeError],
  ['maxConnections', 1.5, RangeError],
  ['maxConnections', null, TypeError],
  ['maxConnectionsPerAddress', -1, RangeError],
  ['idleTimeout', 0, RangeError],
  ['idleTimeout', Number.NaN, RangeError],
  ['lingerTimeout', -1, RangeError],
  ['maxLingerBytes', -1, RangeError],
  ['maxHandshakes', 0, RangeError],
  ['handshakeTimeout', 0, RangeError],
  ['maxPacketSize', 0, RangeError],
  ['maxQueuedReplies', 0, RangeError],
  ['sendTimeout', 0, RangeError]
]

describe.for(Object.entries(makers))('the limits of %s', ([, { make, defaults }]) => {
  it('are these where nothing is said, and copies of nobody', () => {
    expect(make({}).limits).toEqual(defaults)
  })

  it('are as the options say, and may all be changed', () => {
    const changes = Object.fromEntries(Object.keys(defaults).map((name, i) => [name, 100 + i]))
    const server = make(changes)
    expect(server.limits).toEqual(changes)
    const infinite = Object.fromEntries(Object.keys(defaults).map((name) => [name, unlimited]))
    server.setLimits(infinite)
    expect(server.limits).toEqual(infinite)
    server.setLimits({})
    server.setLimits({ requestTimeout: undefined })
    expect(server.limits).toEqual(infinite)
    expect(make({}).limits).toEqual(defaults)
  })

  it('that somebody has read stay what they were, to be set again, and change nothing by themselves', () => {
    const server = make({})
    const before = server.limits
    server.setLimits({ requestTimeout: 7 })
    expect(before).toEqual(defaults)
    expect(Object.assign(server.limits, { requestTimeout: -1 })).not.toEqual(defaults)
    expect((server.limits as { requestTimeout: number }).requestTimeout).toBe(7)
    server.setLimits(before)
    expect(server.limits).toEqual(defaults)
  })

  it('stay as they were, all of them, where anything is wrong', () => {
    const server = make({})
    const before = { ...server.limits }
    for (const [name, value, error] of mistakes) {
      if (!(name in defaults)) continue
      expect(() => server.setLimits({ requestTimeout: 7, [name]: value })).toThrow(error)
      expect(() => server.setLimits({ requestTimeout: 7, [name]: value })).toThrow(`Option ${name} must be`)
      expect(() => make({ [name]: value })).toThrow(error)
    }
    expect(() => server.setLimits({ requestTimeout: 7, maxConection: 1 })).toThrow(
      /setLimits has no option maxConection: it takes requestTimeout/
    )
    for (const nothing of [null, undefined, 7, []]) expect(() => server.setLimits(nothing as never)).toThrow(TypeError)
    expect(server.limits).toEqual(before)
  })
})

describe('limits that are changed while running', () => {
  it("maxPending: more connections wait by Node's sockets, and in memory", async () => {
    for (const name of ["TCP, Node's", 'in memory'] as const) {
      using refused = overhear<RefusedEvent>('refused')
      const server = await bounded(name, { maxPending: 1 })
      const first = visit(server)
      await until(() => server.stats().waiting === 1)
      await visit(server).over()
      expect(refused.messages).toMatchObject([{ server, reason: 'pending' }])
      server.setLimits({ maxPending: 2 })
      const second = visit(server)
      await until(() => server.stats().waiting === 2)
      server.setLimits({ maxPending: 1 })
      await visit(server).over()
      expect(server.stats()).toMatchObject({ waiting: 2, refusedBy: { pending: 2 } })
      void server.serveForever(parallel((request: StreamRequest) => request.wfile.write('hello')))
      await Promise.all([first.heard('hello'), second.heard('hello')])
    }
  })

  it('handshakeTimeout, for those that begin from now on; maxHandshakes, at once', async () => {
    using handshakes = overhear<HandshakeEvent>('handshake')
    const open = counted()
    const server = (await bounded("TLS, Node's", {})) as unknown as TLSServer
    server.setLimits({ handshakeTimeout: unlimited, maxHandshakes: 1 })
    void server.requests({ closeOnReturn: false }).next()
    const { host, port } = server.address
    const stall = (): Visitor => new Visitor(connect({ host, port, allowHalfOpen: true }))
    const first = stall()
    await until(() => open() === 1)
    const second = stall()
    await until(() => open() === 2)
    // It waits for room, and has not begun: with more room it does, and with the time limit of now.
    server.setLimits({ handshakeTimeout: 20, maxHandshakes: 2 })
    await second.over()
    expect(handshakes.messages).toMatchObject([{ server, error: { cause: 'handshake' } }])
    expect(first.isOver).toBe(false)
    expect(server.stats()).toMatchObject({ refusedBy: { handshake: 1 }, waiting: 1 })
  })

  it('maxPacketSize, of UDP and Unix datagrams, and in memory', async () => {
    const path = temporaryPath()
    const servers = [
      new UDPServer({ maxPacketSize: 4, backend: 'native' }),
      new UDPServer({ maxPacketSize: 4, backend: 'node' }),
      new UnixDatagramServer({ path, maxPacketSize: 4 }),
      new MemoryDatagramServer({ maxPacketSize: 4 })
    ].map(quiet)
    for (const server of servers) {
      onTestFinished(async () => void (await server.close({ deadline: 0 })))
      using dropped = overhear<DroppedEvent>('dropped')
      await server.listen()
      const got: string[] = []
      void (async () => {
        for await (const outcome of parallel((request: Request) => request.rfile.readAll())(
          server as AsyncIterable<Request>
        )) {
          if (outcome.status === 'fulfilled') got.push(String(outcome.value))
        }
      })()
      const send = await sender(server, path)
      await send('12345')
      await dropped.count(1)
      server.setLimits({ maxPacketSize: 100_000 })
      const large = 'x'.repeat(9_000)
      await send(large)
      await until(() => got.length === 1)
      server.setLimits({ maxPacketSize: 4 })
      await send('12345')
      await send('1234')
      await until(() => got.length === 2)
      expect(got).toEqual([large, '1234'])
      expect(dropped.messages).toMatchObject([
        { server, bytes: 5, reason: 'size' },
        { server, bytes: 5, reason: 'size' }
      ])
      expect(server.stats()).toMatchObject({ accepted: 2, dropped: 2, droppedBy: { size: 2 } })
    }
  })

  it('maxPending, of datagrams that wait', async () => {
    const servers = [new UDPServer({ maxPending: 1, backend: 'node' }), new MemoryDatagramServer({ maxPending: 1 })]
    for (const server of servers.map(quiet)) {
      onTestFinished(async () => void (await server.close({ deadline: 0 })))
      using dropped = overhear<DroppedEvent>('dropped')
      await server.listen()
      const send = await sender(server, '')
      await send('a')
      await send('b')
      await dropped.count(1)
      server.setLimits({ maxPending: 2 })
      await send('c')
      await send('d')
      await dropped.count(2)
      expect(dropped.messages.map(({ reason }) => reason)).toEqual(['pending', 'pending'])
      expect(server.stats()).toMatchObject({ accepted: 2, waiting: 2, droppedBy: { pending: 2 } })
    }
  })

  it('maxQueuedReplies and sendTimeout, of replies that wait for room', async () => {
    const path = temporaryPath()
    const server = quiet(new UnixDatagramServer({ path, maxQueuedReplies: 4 }))
    onTestFinished(async () => void (await server.close({ deadline: 0 })))
    using undelivered = overhear<UndeliveredEvent>('undelivered')
    await server.listen()
    void server.serveForever(parallel((request) => request.wfile.write(request.packet), { limit: 1_000 }))
    const codes = (): unknown[] => undelivered.messages.map(({ error }) => (error as NodeJS.ErrnoException).code)
    // It never reads: where its queue is full, replies wait here, a quarter of the bound for one peer.
    const peer = unixPeer(temporaryPath())
    const ask = async (many: number): Promise<void> => {
      const due = server.stats().accepted + many
      for (let sent = 0; sent < many; ) {
        if (peer.send(path, 'x') === undefined) sent++
        else await turns()
      }
      await until(() => server.stats().accepted === due && server.stats().served + server.stats().failed === due)
    }
    await ask(40)
    expect([server.stats().open, new Set(codes())]).toEqual([1, new Set(['ENOBUFS'])])
    server.setLimits({ maxQueuedReplies: 80 })
    const told = codes().length
    await ask(19)
    expect([server.stats().open, codes().length]).toEqual([20, told])
    await ask(1)
    expect([server.stats().open, codes().length]).toEqual([20, told + 1])
    server.setLimits({ sendTimeout: 1 })
    await until(() => server.stats().open === 0)
    expect(codes().slice(told + 1)).toEqual(Array(20).fill('ETIMEDOUT'))
  })
})

async function sender(
  server: { readonly address: unknown } | MemoryDatagramServer,
  path: string
): Promise<(text: string) => Promise<unknown>> {
  if (server instanceof MemoryDatagramServer) {
    return async (text) => void server.send(Buffer.from(text))
  }
  if (path === '' || (server as TCPServer).address.family !== ('unix' as never)) {
    const client = await udpClient((server as { address: InternetAddress }).address)
    onTestFinished(() => void client.close())
    return async (text) => client.send(Buffer.from(text))
  }
  const client = unixDatagramClient(path, temporaryPath())
  onTestFinished(() => void client.close())
  return async (text) => client.send(Buffer.from(text))
}
