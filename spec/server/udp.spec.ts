import { networkInterfaces } from 'node:os'
import { describe, expect, it } from 'vitest'
import {
  type DatagramRequest,
  type DroppedEvent,
  drain,
  type Outcome,
  parallel,
  pipe,
  type Request,
  sequential,
  type UDPServerOptions
} from '../../lib/index.ts'
import { UDPPeer, waitingAt } from '../support/datagram-peers.ts'
import { overhear } from '../support/events.ts'
import { udp } from '../support/servers.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const echo = (request: Request) => pipe(request, request)
const backends = ['native', 'node'] as const
const hosts = ['127.0.0.1', '::1']
const grid = backends.flatMap((backend) => hosts.map((host) => ({ backend, host })))

/** Echoes all but `silent`, and is closed with the test. */
async function echoing(options: UDPServerOptions) {
  const server = await udp(options)
  void drain(parallel(echo, { limit: 100 })(server)).catch(() => {})
  return server
}

describe.for(grid)('UDP on $host by $backend', ({ backend, host }) => {
  it.for([0, 1, 8_192, 65_507])('brings %d bytes whole, there and back', async (size) => {
    const server = await udp({ backend, host })
    const seen: number[] = []
    void drain(
      parallel((request: DatagramRequest) => {
        seen.push(request.packet.length)
        // Nothing comes of an empty source: an empty reply is an explicit one.
        return request.wfile.write(request.packet)
      })(server)
    )
    const peer = await UDPPeer.bound(host)
    const packet = Buffer.alloc(size, 'a datagram ')
    expect((await peer.exchange(server.address, packet)).equals(packet)).toBe(true)
    expect(seen).toEqual([size])
    expect(server.stats()).toMatchObject({ accepted: 1, bytesIn: size, bytesOut: size, dropped: 0 })
    expect(peer.from[0]).toMatchObject({ port: server.address.port, address: host })
  })

  it('drops, counts and publishes what is larger than maxPacketSize, and cuts nothing', async () => {
    using drops = overhear<DroppedEvent>('dropped')
    const server = await echoing({ backend, host, maxPacketSize: 10 })
    const peer = await UDPPeer.bound(host)
    await peer.send(server.address, 'eleven char')
    await peer.send(server.address, Buffer.alloc(9_000))
    expect((await peer.exchange(server.address, 'ten bytes!')).toString()).toBe('ten bytes!')
    expect(server.stats()).toMatchObject({ accepted: 1, dropped: 2, bytesIn: 10 })
    const clientAddress = { family: host === '::1' ? 'IPv6' : 'IPv4', host, port: peer.port }
    expect(drops.messages).toEqual([
      { server, clientAddress, bytes: 11, reason: 'size' },
      { server, clientAddress, bytes: 9_000, reason: 'size' }
    ])
    expect(peer.got.length).toBe(1)
  })

  it('sends nothing where nothing was written, an empty one where that was, none after a throw', async () => {
    const server = await udp({ backend, host })
    void drain(
      sequential(async (request: DatagramRequest) => {
        const asked = request.packet.toString()
        if (asked === 'empty') await request.wfile.write('')
        if (asked === 'throw') {
          await request.wfile.write('half')
          throw new Error('on purpose')
        }
        if (asked === 'end') await request.wfile.write('end')
      })(server)
    )
    const peer = await UDPPeer.bound(host)
    for (const asked of ['nothing', 'empty', 'throw', 'end']) await peer.send(server.address, asked)
    expect((await peer.receive(2)).map(String)).toEqual(['', 'end'])
    expect(server.errors).toMatchObject([{ message: 'on purpose' }])
  })

  it('says who asks, and answers that one', async () => {
    const server = await udp({ backend, host })
    void drain(parallel((request: Request) => request.wfile.write(JSON.stringify(request.clientAddress)))(server))
    const peers = await Promise.all(Array.from({ length: 5 }, () => UDPPeer.bound(host)))
    const told = await Promise.all(peers.map((peer) => peer.exchange(server.address, 'who am I?')))
    expect(told.map(String).map((text) => JSON.parse(text))).toEqual(
      peers.map(({ port }) => ({ family: host === '::1' ? 'IPv6' : 'IPv4', host, port }))
    )
  })

  it('keeps the order of those who come, over more than one burst', async () => {
    const server = await udp({ backend, host })
    const peer = await UDPPeer.bound(host)
    const all = Array.from({ length: 200 }, (_, i) => String(i))
    for (const text of all) await peer.send(server.address, text)
    const seen: string[] = []
    for await (const request of server) {
      seen.push(request.packet.toString())
      await request.close()
      if (seen.length === all.length) break
    }
    expect(seen).toEqual(all)
  })

  it('lets the other things of the loop have their turn in a burst', async () => {
    const server = await udp({ backend, host, receiveBufferSize: 1_000_000 })
    const peer = await UDPPeer.bound(host)
    const many = 500
    for (let i = 0; i < many; i++) await peer.send(server.address, 'x')
    let served = 0
    let immediates = 0
    const count = (): void => {
      immediates++
      if (served < many) setImmediate(count)
    }
    setImmediate(count)
    for await (const request of server) {
      await request.close()
      if (++served === many) break
    }
    // 64 in a turn.
    expect(immediates).toBeGreaterThanOrEqual(Math.floor(many / 64))
  })

  // What node:dgram has received in one turn it hands over in one turn.
  it.runIf(backend === 'native')('lets them have it after each handler that takes long, and not after 64', async () => {
    const server = await udp({ backend, host })
    const peer = await UDPPeer.bound(host)
    const many = 20
    for (let i = 0; i < many; i++) await peer.send(server.address, 'x')
    let served = 0
    let before = 0
    let most = 0
    const look = (): void => {
      most = Math.max(most, served - before)
      before = served
      if (served < many) setImmediate(look)
    }
    setImmediate(look)
    for await (const request of server) {
      const until = performance.now() + 2
      while (performance.now() < until);
      await request.close()
      if (++served === many) break
    }
    expect(most).toBe(1)
  })

  it('gives an error to whom it concerns where a reply is too large, and goes on', async () => {
    const server = await udp({ backend, host })
    const outcomes: Outcome<Request>[] = []
    const serving = (async () => {
      for await (const outcome of parallel((request: DatagramRequest) =>
        request.wfile.write(request.packet.toString() === 'large' ? Buffer.alloc(70_000) : 'small')
      )(server)) {
        outcomes.push(outcome)
      }
    })()
    using undelivered = overhear('undelivered')
    const peer = await UDPPeer.bound(host)
    await peer.send(server.address, 'large')
    expect(String(await peer.exchange(server.address, 'x'))).toBe('small')
    await server.close()
    await serving
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(undelivered.messages).toMatchObject([{ error: { code: 'EMSGSIZE' } }])
    expect(server.errors).toMatchObject([{ code: 'EMSGSIZE' }])
  })
})

describe('UDP by native', () => {
  it('leaves in the kernel what nobody asks for', async () => {
    const server = await udp({ backend: 'native' })
    const peer = await UDPPeer.bound()
    for (const text of ['first', 'second!', 'the third']) await peer.send(server.address, text)
    await turns(10)
    expect(server.stats()).toMatchObject({ accepted: 0, waiting: 0 })
    expect(waitingAt(server.fileno())).toBe('first'.length)
    const loop = server.requests({ closeOnReturn: false })
    expect((await loop.next()).value?.packet.toString()).toBe('first')
    await turns(10)
    expect(server.stats()).toMatchObject({ accepted: 1, waiting: 0 })
    expect(waitingAt(server.fileno())).toBe('second!'.length)
  })

  it('takes one at a time where one at a time is served', async () => {
    const server = await udp({ backend: 'native' })
    const peer = await UDPPeer.bound()
    let release: (() => void) | undefined
    void drain(
      sequential(async (request: Request) => {
        await new Promise<void>((resolve) => {
          release = resolve
        })
        await request.wfile.write('done')
      })(server)
    )
    for (const text of ['a', 'bb', 'ccc']) await peer.send(server.address, text)
    for (const left of [2, 3, 0]) {
      while (release === undefined) await turns()
      await turns(5)
      expect(waitingAt(server.fileno())).toBe(left)
      release()
      release = undefined
    }
    expect((await peer.receive(3)).length).toBe(3)
  })
})

describe.for(backends)('an address of %s', (backend) => {
  it('answers IPv4 on ::, at its mapped address', async () => {
    const server = await echoing({ backend, host: '::' })
    using accepted = overhear('accepted')
    const peer = await UDPPeer.bound()
    const reply = await peer.exchange({ host: '127.0.0.1', port: server.address.port }, 'four')
    expect(reply.toString()).toBe('four')
    expect(accepted.messages).toEqual([
      { server, clientAddress: { family: 'IPv6', host: '::ffff:127.0.0.1', port: peer.port } }
    ])
    const six = await UDPPeer.bound('::1')
    expect((await six.exchange({ host: '::1', port: server.address.port }, 'six')).toString()).toBe('six')
  })

  it('does not hear IPv4 on :: with ipv6Only, nor stand in its way', async () => {
    const server = await echoing({ backend, host: '::', ipv6Only: true })
    const { port } = server.address
    const four = await echoing({ backend, host: '0.0.0.0', port })
    const peer = await UDPPeer.bound()
    expect((await peer.exchange({ host: '127.0.0.1', port }, 'x')).toString()).toBe('x')
    expect(four.stats().accepted).toBe(1)
    expect(server.stats().accepted).toBe(0)
  })

  it('has the zone of a link-local sender, and answers it', async ({ skip }) => {
    const links = Object.entries(networkInterfaces()).flatMap(([name, all = []]) =>
      all.filter(({ address }) => address.startsWith('fe80:')).map(({ address }) => `${address}%${name}`)
    )
    const [host] = links
    if (host === undefined) return skip('this machine has no link-local address')
    const server = await udp({ backend, host })
    expect(server.address.host).toBe(host)
    void drain(parallel((request: Request) => request.wfile.write(JSON.stringify(request.clientAddress)))(server))
    const peer = await UDPPeer.bound(host)
    const told = JSON.parse(String(await peer.exchange(server.address, 'x')))
    expect(told).toEqual({ family: 'IPv6', host, port: peer.port })
  })
})
