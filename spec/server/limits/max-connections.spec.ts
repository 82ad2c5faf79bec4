import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type LimitEvent,
  parallel,
  type RefusedEvent,
  type StreamRequest,
  type TCPServer,
  TLSServer
} from '../../../lib/index.ts'
import { bounded, type ConnectionServer, counted, kindNames, kinds, visit } from '../../support/bounded-servers.ts'
import { runChild } from '../../support/child.ts'
import { overhear } from '../../support/events.ts'
import { turns, until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'
import { Visitor } from '../../support/visitor.ts'

checkNothingUnhandled()

async function greet(request: StreamRequest): Promise<void> {
  await request.wfile.write('hello')
  for await (const bytes of request.source) await request.wfile.write(Buffer.from(bytes.subarray()))
}

function serve(server: ConnectionServer, handler: (request: StreamRequest) => unknown = greet): void {
  void server.serveForever(parallel(handler, { limit: 1_000 }))
}

describe.for(kindNames)('maxConnections, %s', (name) => {
  const waits = kinds[name].surplus === 'waits'

  it('lets so many in; the next waits in the kernel, or is refused, and is told of', async () => {
    using limits = overhear<LimitEvent>('limit')
    using refused = overhear<RefusedEvent>('refused')
    const server = await bounded(name, { maxConnections: 2 })
    serve(server)
    const [first, second] = [visit(server), visit(server)]
    await Promise.all([first.heard('hello'), second.heard('hello')])
    const third = visit(server)
    if (waits) {
      await limits.count(1)
      await turns(5)
      expect(limits.messages).toEqual([{ server, limit: 'maxConnections', value: 2, clientAddress: undefined }])
      expect([refused.messages, third.text, third.isOver]).toEqual([[], '', false])
    } else {
      await refused.count(1)
      await third.over()
      expect(refused.messages).toMatchObject([{ server, reason: 'connections' }])
      expect(limits.messages).toEqual([])
    }
    const many = waits ? 0 : 1
    expect(server.stats()).toMatchObject({ accepted: 2, open: 2, refused: many, refusedBy: { connections: many } })
    first.end()
    await first.over()
    await until(() => server.stats().open === 1)
    const next = waits ? third : visit(server)
    await next.heard('hello')
    second.send('!')
    await second.heard('hello!')
    expect(server.stats()).toMatchObject({ accepted: 3, open: 2 })
  })

  it('is raised: who waits comes in at once, though nobody leaves', async () => {
    using limits = overhear<LimitEvent>('limit')
    const server = await bounded(name, { maxConnections: 1 })
    serve(server)
    await visit(server).heard('hello')
    const waiting = waits ? [visit(server), visit(server)] : []
    if (waits) await limits.count(1)
    server.setLimits({ maxConnections: 3 })
    expect(server.limits.maxConnections).toBe(3)
    if (!waits) waiting.push(visit(server), visit(server))
    await Promise.all(waiting.map((visitor) => visitor.heard('hello')))
    expect(server.stats()).toMatchObject({ open: 3, refused: 0 })
    if (!waits) return
    visit(server)
    await limits.count(2)
    expect(limits.messages.map(({ value }) => value)).toEqual([1, 3])
  })

  it('is raised by whoever is told that it was reached, each time', async () => {
    const server = await bounded(name, { maxConnections: 1 })
    if (!waits) return
    const raise = (): void => server.setLimits({ maxConnections: server.limits.maxConnections + 1 })
    subscribe('it-socketserver:limit', raise)
    onTestFinished(() => void unsubscribe('it-socketserver:limit', raise))
    serve(server)
    for (let i = 0; i < 5; i++) await visit(server).heard('hello')
    expect(server.stats()).toMatchObject({ open: 5, refused: 0 })
  })

  it('is lowered: nobody is cut off, and nobody new comes in before enough have left', async () => {
    using refused = overhear<RefusedEvent>('refused')
    using limits = overhear<LimitEvent>('limit')
    const server = await bounded(name, { maxConnections: 2 })
    serve(server)
    const [first, second] = [visit(server), visit(server)]
    await Promise.all([first.heard('hello'), second.heard('hello')])
    server.setLimits({ maxConnections: 1 })
    first.end()
    await first.over()
    await until(() => server.stats().open === 1)
    const third = visit(server)
    if (waits) {
      await limits.count(1)
      await turns(5)
      expect(third.text).toBe('')
    } else await refused.count(1)
    second.send('!')
    await second.heard('hello!')
    expect(server.stats()).toMatchObject({ accepted: 2, open: 1 })
    second.end()
    await second.over()
    await until(() => waits || server.stats().open === 0)
    await (waits ? third : visit(server)).heard('hello')
  })

  it('has no bound where it is Infinity', async () => {
    using limits = overhear<LimitEvent>('limit')
    const server = await bounded(name, { maxConnections: 1 })
    serve(server)
    server.setLimits({ maxConnections: Number.POSITIVE_INFINITY })
    await Promise.all(Array.from({ length: 20 }, () => visit(server).heard('hello')))
    expect(server.stats()).toMatchObject({ accepted: 20, open: 20, refused: 0 })
    expect(limits.messages).toEqual([])
  })

  it('counts whoever lingers after the reply, until it has gone', async () => {
    const open = counted()
    const server = await bounded(name, { maxConnections: 1, lingerTimeout: Number.POSITIVE_INFINITY })
    serve(server, async (request) => {
      await request.wfile.write('hello')
    })
    const first = visit(server)
    await first.over()
    await until(() => server.stats().served === 1)
    expect(open()).toBe(1)
    const second = visit(server)
    if (waits) {
      await turns(5)
      expect(second.text).toBe('')
    } else await second.over()
    first.end()
    await until(() => open() === 0 || waits)
    await (waits ? second : visit(server)).heard('hello')
  })

  it('does not count who was detached, nor who was cut off', async () => {
    const open = counted()
    const server = await bounded(name, { maxConnections: 1 })
    const sockets: { destroy(): unknown }[] = []
    serve(server, async (request) => {
      if (sockets.length < 3) sockets.push(request.detach().on('error', () => {}))
      else {
        await request.wfile.write('hello')
        request.abort()
      }
    })
    for (let i = 1; i <= 3; i++) {
      visit(server)
      await until(() => sockets.length === i && open() === 0)
    }
    for (let i = 0; i < 3; i++) {
      await visit(server).over()
      await until(() => open() === 0)
    }
    expect(server.stats()).toMatchObject({ accepted: 6, open: 0, refused: 0 })
    for (const socket of sockets) socket.destroy()
  })
})

describe.for(['native', 'node'] as const)('maxConnections by the %s backend', (backend) => {
  const name = backend === 'native' ? 'TCP, native' : "TCP, Node's"

  it('counts those who wait for somebody to serve them', async () => {
    const open = counted()
    const server = await bounded(name, { maxConnections: 2 })
    const visitors = [visit(server), visit(server)]
    if (backend === 'native') {
      // They wait in the kernel, and are nobody's yet.
      const loop = server.requests({ closeOnReturn: false })
      await loop.next()
      expect(open()).toBe(1)
      await loop.next()
    } else await until(() => server.stats().waiting === 2)
    expect(open()).toBe(2)
    if (backend === 'native') return
    const surplus = visit(server)
    await surplus.over()
    expect(server.stats()).toMatchObject({ waiting: 2, refusedBy: { connections: 1 } })
    // One that has gone while it waited is not seen before somebody looks at it.
    for (const visitor of visitors) visitor.reset()
    serve(server)
    await until(() => open() === 0)
  })

  it('counts handshakes, and gives back the place of one that fails', async () => {
    using handshakes = overhear('handshake')
    const open = counted()
    const server = await bounded(backend === 'native' ? 'TLS, native' : "TLS, Node's", { maxConnections: 2 })
    serve(server)
    const { host, port } = (server as TCPServer).address
    const stall = (): Visitor => new Visitor(connect({ host, port, allowHalfOpen: true }))
    const [first] = [stall(), stall()]
    await until(() => open() === 2)
    const third = visit(server)
    if (backend === 'native') {
      await turns(5)
      expect(third.text).toBe('')
    } else await third.over()
    first.send('this is no handshake\r\n')
    await handshakes.count(1)
    await until(() => backend === 'native' || open() === 1)
    await (backend === 'native' ? third : visit(server)).heard('hello')
    expect(open()).toBe(2)
  })

  it('is 90 % of the descriptors that there are, where nothing is said', async () => {
    const { stdout, stderr } = await runChild(`
      const { execFileSync } = await import('node:child_process')
      execFileSync('prlimit', ['--pid', process.pid, '--nofile=100:100'])
      const server = new lib.TCPServer({ backend: '${backend}' })
      console.log(server.limits.maxConnections)
    `)
    expect([stdout, stderr]).toEqual(['90\n', ''])
  })

  it('leaves those inside unhurt in a flood of others', async () => {
    const { stdout, stderr, code } = await runChild(`
      const { execFileSync } = await import('node:child_process')
      const { connect } = await import('node:net')
      const { once } = await import('node:events')
      const server = await new lib.TCPServer({ backend: '${backend}', maxConnections: 20 }).listen()
      server.handleError = () => {}
      const serving = server.serveForever(lib.parallel((request) => lib.pipe(request, request), { limit: 1000 }))
      const inside = connect(server.address.port, '127.0.0.1')
      inside.write('a')
      await once(inside, 'data')
      const crowd = Array.from({ length: 200 }, () => connect(server.address.port, '127.0.0.1').on('error', () => {}))
      await new Promise((resolve) => setImmediate(resolve))
      inside.write('b')
      console.log(String((await once(inside, 'data'))[0]), server.stats().open <= 20)
      for (const socket of crowd) socket.destroy()
      inside.destroy()
      await server.close({ deadline: 0 })
      await serving
    `)
    expect([stdout, stderr, code]).toEqual(['b true\n', '', 0])
  })
})

it('a TLS server has limits of its own, and those of connections', async () => {
  const server = (await bounded('TLS, native', { maxConnections: 7 })) as unknown as TLSServer
  expect(server).toBeInstanceOf(TLSServer)
  expect(server.limits).toMatchObject({ maxConnections: 7, maxHandshakes: 8_192, handshakeTimeout: 5_000 })
  server.setLimits({ handshakeTimeout: 9, maxPending: 3 })
  expect(server.limits).toMatchObject({ maxConnections: 7, maxPending: 3, handshakeTimeout: 9 })
})
