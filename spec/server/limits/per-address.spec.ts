import { connect } from 'node:net'
import { connect as connectTLS } from 'node:tls'
import { describe, expect, it } from 'vitest'
import {
  type InternetAddress,
  parallel,
  type RefusedEvent,
  type StreamRequest,
  TLSServer,
  UnixStreamServer
} from '../../../lib/index.ts'
import { MemoryServer } from '../../../lib/testing/entry.ts'
import {
  bounded,
  type ConnectionServer,
  counted,
  type KindName,
  kindNames,
  visit
} from '../../support/bounded-servers.ts'
import { overhear } from '../../support/events.ts'
import { trusted } from '../../support/peers.ts'
import { until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'
import { Visitor } from '../../support/visitor.ts'

checkNothingUnhandled()

/** A client from another address of loopback. */
function visitFrom(server: ConnectionServer, last: number): Visitor {
  const from = `127.0.0.${last}`
  if (server instanceof MemoryServer) {
    return new Visitor(server.connect({ clientAddress: { family: 'IPv4', host: from, port: 1 } }))
  }
  const { host, port } = server.address as InternetAddress
  const there = { host, port, localAddress: from, allowHalfOpen: true }
  return new Visitor(server instanceof TLSServer ? connectTLS({ ...trusted(), ...there }) : connect(there))
}

function serve(server: ConnectionServer): void {
  void server.serveForever(
    parallel(
      async (request: StreamRequest) => {
        await request.wfile.write('hello')
        await request.rfile.readAll()
      },
      { limit: 1_000 }
    )
  )
}

describe.for(kindNames.filter((name) => !name.includes('Unix')))('maxConnectionsPerAddress, %s', (name: KindName) => {
  it('lets so many of an address in, refuses the next, and lets in again when one has left', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await bounded(name, { maxConnectionsPerAddress: 2 })
    serve(server)
    const [first] = [visitFrom(server, 2), visitFrom(server, 2), visitFrom(server, 3)]
    await until(() => server.stats().open === 3)
    const surplus = visitFrom(server, 2)
    await surplus.over()
    expect(surplus.text).toBe('')
    expect(refused.messages).toMatchObject([{ server, reason: 'address' }])
    expect(server.stats()).toMatchObject({ accepted: 3, open: 3, refused: 1, refusedBy: { address: 1 } })
    await visitFrom(server, 3).heard('hello')
    first.end()
    await until(() => server.stats().open === 3)
    await visitFrom(server, 2).heard('hello')
    expect(server.stats()).toMatchObject({ accepted: 5, open: 4, refused: 1 })
  })

  it('is changed while running: lowered it cuts nobody off, raised and Infinity let more in', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await bounded(name, { maxConnectionsPerAddress: 2 })
    serve(server)
    const visitors = [visitFrom(server, 2), visitFrom(server, 2)]
    await until(() => server.stats().open === 2)
    server.setLimits({ maxConnectionsPerAddress: 1 })
    await visitFrom(server, 2).over()
    await refused.count(1)
    expect(server.stats().open).toBe(2)
    server.setLimits({ maxConnectionsPerAddress: 3 })
    await visitFrom(server, 2).heard('hello')
    await visitFrom(server, 2).over()
    server.setLimits({ maxConnectionsPerAddress: Number.POSITIVE_INFINITY })
    await visitFrom(server, 2).heard('hello')
    for (const visitor of visitors) expect(visitor.isOver).toBe(false)
    expect(server.stats()).toMatchObject({ open: 4, refusedBy: { address: 2 } })
  })

  it('counts none of whom nothing is left, and all of the others', async () => {
    const open = counted()
    const server = await bounded(name, { maxConnectionsPerAddress: 1 })
    void server.serveForever(
      parallel(async (request: StreamRequest) => {
        const line = await request.rfile.readLine({ chomp: true })
        if (String(line) === 'abort') request.abort()
        if (String(line) === 'throw') throw new Error('thrown')
      })
    )
    for (const line of ['abort', 'throw', 'well', 'abort']) {
      const visitor = visitFrom(server, 2)
      visitor.send(`${line}\n`)
      await visitor.over()
      visitor.end()
      await until(() => open() === 0)
    }
    const visitor = visitFrom(server, 2)
    await until(() => server.stats().open === 1)
    visitor.reset()
    await until(() => open() === 0)
    expect(server.stats()).toMatchObject({ accepted: 5, refused: 0 })
  })
})

it('maxConnectionsPerAddress has no effect on Unix clients, which have no address', async () => {
  for (const name of ['a Unix path, native', "a Unix path, Node's"] as const) {
    const server = await bounded(name, { maxConnectionsPerAddress: 1 })
    expect(server).toBeInstanceOf(UnixStreamServer)
    serve(server)
    await Promise.all([visit(server).heard('hello'), visit(server).heard('hello')])
    expect(server.stats().refused).toBe(0)
  }
})

it('an IPv6 address is counted with its /64, and one that is mapped as the IPv4 address that it is', async () => {
  using refused = overhear<RefusedEvent>('refused')
  const server = await new MemoryServer({ maxConnectionsPerAddress: 1 }, ({ wfile }) => wfile.write('in')).listen()
  const from = (family: 'IPv4' | 'IPv6', host: string) => server.connect({ clientAddress: { family, host, port: 1 } })
  const [first, other, mapped] = [
    from('IPv6', '2001:db8::1'),
    from('IPv6', '2001:db8:0:1::1'),
    from('IPv4', '192.0.2.1')
  ]
  const [same, four] = [from('IPv6', '2001:db8::ffff:2'), from('IPv6', '::ffff:192.0.2.1')]
  expect(server.stats()).toMatchObject({ waiting: 3, refusedBy: { address: 2 } })
  expect(refused.messages).toMatchObject([
    { clientAddress: { host: '2001:db8::ffff:2' } },
    { clientAddress: { host: '::ffff:192.0.2.1' } }
  ])
  for (const client of [first, other, mapped, same, four]) client.on('error', () => {}).destroy()
  await server.close()
})
