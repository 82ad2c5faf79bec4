import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, it, onTestFinished } from 'vitest'
import { drain, ListenError, parallel, pipe, type Request, UDPServer, type UDPServerOptions } from '../../lib/index.ts'
import { socketOption, UDPPeer } from '../support/datagram-peers.ts'
import { udp } from '../support/servers.ts'

const backends = ['native', 'node'] as const
const echo = (request: Request) => pipe(request, request)
const [SOL_SOCKET, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF] = [1, 6, 7, 8]
const [IPPROTO_IP, IP_MULTICAST_TTL, IP_MULTICAST_LOOP] = [0, 33, 34]

async function echoing(options: UDPServerOptions) {
  const server = await udp(options)
  void drain(parallel(echo)(server)).catch(() => {})
  return server
}

/** The buffer sizes of a UDP socket by its port, as the kernel tells. */
function buffersOf(port: number): { receive: number; send: number } {
  const { stdout } = spawnSync('ss', ['-uanmH', `sport = :${port}`], { encoding: 'utf8' })
  const [, receive, send] = /skmem:\(r\d+,rb(\d+),t\d+,tb(\d+)/.exec(stdout) ?? []
  return { receive: Number(receive), send: Number(send) }
}

/** An interface that multicast of IPv6 has a route by: loopback has none. Groups of ff01:: never leave the machine. */
function multicastInterface6(): { name: string; address: string } | undefined {
  for (const [name, all = []] of Object.entries(networkInterfaces())) {
    const link = all.find(({ address }) => address.startsWith('fe80:'))
    if (link !== undefined) return { name, address: link.address }
  }
  return undefined
}

function nodeCanReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 12)
}

describe.for(backends)('UDP by %s', (backend) => {
  it('may reply to a broadcast address where broadcast says so', async () => {
    for (const broadcast of [true, false]) {
      const server = await udp({ backend, host: '0.0.0.0', broadcast })
      const heard = server.handleRequest((request: Request) => request.wfile.write('x'))
      const peer = await UDPPeer.bound()
      peer.socket.setBroadcast(true)
      // Comes to all who listen to every address of the machine.
      await peer.send({ host: '127.255.255.255', port: server.address.port }, 'to all')
      expect(await heard).toMatchObject({ status: 'fulfilled' })
      expect(String((await peer.receive(1))[0])).toBe('x')
      if (backend === 'native') {
        expect(socketOption(server.fileno(), SOL_SOCKET, SO_BROADCAST)).toBe(Number(broadcast))
      }
    }
  })

  it.for([
    { group: '239.255.77.1', by: 'name' },
    { group: '239.255.77.2', by: 'address' },
    { group: '239.255.77.3', by: 'name', host: '::' },
    { group: '239.255.77.4', by: 'address', host: '::' },
    { group: 'ff01::77:1', by: 'name' },
    { group: 'ff01::77:2', by: 'address' },
    { group: 'ff01::77:3', by: 'zone' }
  ] as { group: string; by: 'name' | 'address' | 'zone'; host?: string }[])(
    'hears what is sent to the group $group of an interface, by its $by',
    async ({ group, by, host }, { skip }) => {
      const six = isIPv6(group)
      const via = six ? multicastInterface6() : { name: 'lo', address: '127.0.0.1' }
      if (via === undefined) return skip('this machine has no interface that knows IPv6 multicast')
      const named = { name: via.name, address: via.address, zone: `::%${via.name}` }[by]
      const server = await echoing({
        backend,
        host: host ?? (six ? '::' : '0.0.0.0'),
        multicast: [{ group, interface: named }],
        multicastInterface: named,
        multicastTTL: 3,
        multicastLoopback: true
      })
      const sender = createSocket(six ? 'udp6' : 'udp4')
      onTestFinished(() => void sender.close())
      await new Promise<void>((resolve) => sender.bind(0, () => resolve()))
      sender.setMulticastInterface(six ? `::%${via.name}` : via.address)
      const reply = new Promise<Buffer>((resolve) => sender.once('message', resolve))
      sender.send('to the group', server.address.port, six ? `${group}%${via.name}` : group)
      expect(String(await reply)).toBe('to the group')
      const groups = () => readFileSync(six ? '/proc/net/igmp6' : '/proc/net/igmp', 'utf8').toLowerCase()
      const inHex = six ? `ff01${'0'.repeat(20)}0077000${group.at(-1)}` : `0${group.at(-1)}4dffef`
      expect(groups()).toContain(inHex)
      if (backend === 'native' && !six && host === undefined) {
        expect(socketOption(server.fileno(), IPPROTO_IP, IP_MULTICAST_TTL)).toBe(3)
        expect(socketOption(server.fileno(), IPPROTO_IP, IP_MULTICAST_LOOP)).toBe(1)
      }
      await server.close()
      expect(groups()).not.toContain(inHex)
    }
  )

  it('has buffers of the sizes that were asked for', async () => {
    const server = await udp({ backend, receiveBufferSize: 50_000, sendBufferSize: 60_000 })
    // The kernel doubles them, for its own needs.
    expect(buffersOf(server.address.port)).toEqual({ receive: 100_000, send: 120_000 })
    if (backend !== 'native') return
    expect(socketOption(server.fileno(), SOL_SOCKET, SO_RCVBUF)).toBe(100_000)
    expect(socketOption(server.fileno(), SOL_SOCKET, SO_SNDBUF)).toBe(120_000)
  })

  it('shares its port with others where reusePort says so, and each gets some', async ({ skip }) => {
    if (backend === 'node' && !nodeCanReusePort()) {
      expect(() => new UDPServer({ backend, reusePort: true })).toThrow(/needs Node 22.12/)
      return skip('this Node has no reusePort')
    }
    const first = await echoing({ backend, reusePort: true })
    const { port } = first.address
    const second = await echoing({ backend, reusePort: true, port })
    await expect(udp({ backend, port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    let asked = 0
    // Which of them gets it is told by the sender's port.
    while ((first.stats().accepted === 0 || second.stats().accepted === 0) && asked < 500) {
      const peer = await UDPPeer.bound()
      expect(String(await peer.exchange(first.address, 'x'))).toBe('x')
      asked++
    }
    expect(first.stats().accepted).toBeGreaterThan(0)
    expect(second.stats().accepted).toBeGreaterThan(0)
    expect(first.stats().accepted + second.stats().accepted).toBe(asked)
  })

  it('does not listen where its address is taken, not there, or unknown', async () => {
    const { port } = (await udp({ backend })).address
    const wrong: [UDPServerOptions, string][] = [
      [{ port }, 'EADDRINUSE'],
      [{ host: '192.0.2.77' }, 'EADDRNOTAVAIL'],
      [{ host: 'no.such.host.invalid' }, 'ENOTFOUND'],
      [{ host: '0.0.0.0', multicast: [{ group: '239.1.2.3', interface: 'nope0' }] }, 'ENODEV'],
      [{ host: '0.0.0.0', multicastInterface: '192.0.2.77' }, 'ENODEV']
    ]
    for (const [options, code] of wrong) {
      const server = new UDPServer({ backend, ...options })
      const error: unknown = await server.listen().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(ListenError)
      expect((error as ListenError).message).toMatch(/^Cannot listen on udp .*: .* \([A-Z_]+\)$/)
      // A resolver that is not to be reached says so by another code.
      if (code !== 'ENOTFOUND') expect(error).toMatchObject({ code })
      expect(await server.closed).toMatchObject({ aborted: 0 })
      expect(server.fileno()).toBe(undefined)
    }
  })

  it('listens at a name', async () => {
    const server = await echoing({ backend, host: 'localhost' })
    const peer = await UDPPeer.bound()
    expect(String(await peer.exchange({ host: '127.0.0.1', port: server.address.port }, 'x'))).toBe('x')
  })

  it('says at construction which option is wrong', () => {
    const wrong: [object, typeof TypeError | typeof RangeError, RegExp][] = [
      [{ broadcast: 'yes' }, TypeError, /broadcast/],
      [{ multicast: '239.1.2.3' }, TypeError, /multicast must be an array/],
      [{ multicast: [{ group: 'example.org' }] }, TypeError, /numeric address/],
      [{ multicast: ['239.1.2.3'] }, TypeError, /multicast/],
      [{ host: '0.0.0.0', multicast: [{ group: '10.1.2.3', interface: 'lo' }] }, TypeError, /address of multicast/],
      [{ host: '::', multicast: [{ group: 'fe80::1' }] }, TypeError, /address of multicast/],
      [{ host: '::', multicast: [{ group: 'ff02::1%lo' }] }, TypeError, /address of multicast/],
      [{ host: '127.0.0.1', multicast: [{ group: 'ff02::1' }] }, TypeError, /ff02::1 cannot be heard .* by IPv4/],
      [{ host: 'localhost', multicast: [{ group: 'ff02::1' }] }, TypeError, /ff02::1 cannot be heard/],
      [{ host: '::', ipv6Only: true, multicast: [{ group: '239.1.2.3' }] }, TypeError, /cannot be heard .* by IPv6/],
      [{ ipv6Only: true }, TypeError, /ipv6Only needs an IPv6 host: got 127.0.0.1/],
      [{ host: '0.0.0.0', ipv6Only: true }, TypeError, /ipv6Only needs an IPv6 host/],
      [{ multicast: [{ group: '239.1.2.3', via: 'lo' }] }, TypeError, /via/],
      [{ multicast: [{ group: '239.1.2.3', interface: 7 }] }, TypeError, /interface/],
      [{ multicastTTL: 0 }, RangeError, /multicastTTL/],
      [{ multicastTTL: 256 }, RangeError, /multicastTTL/],
      [{ multicastLoopback: 1 }, TypeError, /multicastLoopback/],
      [{ multicastInterface: '' }, RangeError, /multicastInterface/],
      [{ receiveBufferSize: 0 }, RangeError, /receiveBufferSize/],
      [{ sendBufferSize: 1.5 }, RangeError, /sendBufferSize/],
      [{ maxPacketSize: 0 }, RangeError, /maxPacketSize/],
      [{ maxQueuedReplies: -1 }, RangeError, /maxQueuedReplies/],
      [{ maxPending: 'many' }, TypeError, /maxPending/],
      [{ sendTimeout: 0 }, RangeError, /sendTimeout/],
      [{ ipv6Only: 'no' }, TypeError, /ipv6Only/],
      [{ port: 65_536 }, RangeError, /port/],
      [{ ttl: 3 }, TypeError, /no option ttl/]
    ]
    for (const [options, kind, said] of wrong) {
      const make = () => new UDPServer({ backend, ...options })
      expect(make).toThrow(kind)
      expect(make).toThrow(said)
    }
    expect(() => new UDPServer({ backend: 'other' as never })).toThrow(/'auto', 'native' or 'node'/)
  })
})
