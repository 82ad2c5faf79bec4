import { describe, expect, it } from 'vitest'
import {
  AddressList,
  allowAddresses,
  type DatagramRequest,
  denyAddresses,
  drain,
  MessageRequest,
  parallel,
  pipe,
  RateLimiter,
  type RefusedEvent,
  type Request,
  rateLimit,
  type StreamRequest,
  TCPServer,
  verify
} from '../../lib/index.ts'
import { Counter } from '../support/counter.ts'
import { UDPPeer } from '../support/datagram-peers.ts'
import { overhear } from '../support/events.ts'
import { exchange } from '../support/peers.ts'
import { tcp, udp, unix } from '../support/servers.ts'

const echo = parallel((request: Request) => pipe(request, request))

describe.for(['native', 'node'] as const)('by the backend %s', (backend) => {
  it('allowAddresses lets connections in by a list that is changed meanwhile', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await tcp({ backend })
    const allowed = new AddressList(['10.0.0.0/8'])
    const serving = pipe(server, verify<StreamRequest>(allowAddresses(allowed)), echo, drain)
    expect(await exchange(server.address, 'ping').catch(() => 'reset')).not.toBe('ping')
    await refused.count(1)
    allowed.add('127.0.0.0/8')
    expect(await exchange(server.address, 'ping')).toBe('ping')
    expect(refused.messages).toMatchObject([{ reason: 'verify', clientAddress: { host: '127.0.0.1' } }])
    expect(server.stats()).toMatchObject({ accepted: 2, refused: 1 })
    await server.close()
    await serving
  })

  it('denyAddresses refuses datagrams, and IPv4 on an IPv6 socket by its own rules', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await udp({ backend, host: '::' })
    const [good, bad] = [await UDPPeer.bound(), await UDPPeer.bound('::1')]
    const banned = new AddressList(['::1'])
    const serving = pipe(server, verify<DatagramRequest>(denyAddresses(banned)), echo, drain)
    const { port } = server.address
    bad.socket.send('from IPv6', port, '::1')
    await refused.count(1)
    good.socket.send('from IPv4', port, '127.0.0.1')
    await good.receive(1)
    expect(good.got.map(String)).toEqual(['from IPv4'])
    banned.replace(['127.0.0.1'])
    good.socket.send('from IPv4', port, '127.0.0.1')
    await refused.count(2)
    bad.socket.send('from IPv6', port, '::1')
    await bad.receive(1)
    expect(refused.messages.map(({ reason }) => reason)).toEqual(['verify', 'verify'])
    expect(server.stats()).toMatchObject({ accepted: 4, refused: 2 })
    await server.close()
    await serving
  })

  it('rateLimit is shared by connections and datagrams of an address', async () => {
    using refused = overhear<RefusedEvent>('refused')
    let now = 0
    const limiter = new RateLimiter({ rate: 1, burst: 2, clock: () => now })
    class Guarded extends TCPServer {
      readonly #rate = rateLimit(limiter)

      override verifyRequest(request: StreamRequest): boolean {
        return this.#rate(request)
      }
    }
    await using stream = await new Guarded({ backend }).listen()
    const datagrams = await udp({ backend })
    const serving = [pipe(stream, echo, drain), pipe(datagrams, verify(rateLimit(limiter)), echo, drain)]
    expect(await exchange(stream.address, 'one')).toBe('one')
    const peer = await UDPPeer.bound()
    const send = (text: string): void => peer.socket.send(text, datagrams.address.port, '127.0.0.1')
    send('two')
    await peer.receive(1)
    send('three')
    await refused.count(1)
    expect(await exchange(stream.address, 'four').catch(() => 'reset')).not.toBe('four')
    await refused.count(2)
    now = 1_000
    send('five')
    await peer.receive(2)
    expect(peer.got.map(String)).toEqual(['two', 'five'])
    expect([stream.stats().refused, datagrams.stats().refused]).toEqual([1, 1])
    await Promise.all([stream.close(), datagrams.close()])
    await Promise.all(serving)
  })
})

describe('a peer without an IP address', () => {
  it('that is a Unix one, is let in by `unix:` alone, and by no rate refused', async () => {
    const server = await unix()
    const allowed = new AddressList(['0.0.0.0/0', '::/0'])
    const rate = rateLimit({ rate: 1, burst: 1 })
    const serving = pipe(
      server,
      verify<StreamRequest>(allowAddresses(allowed)),
      verify<StreamRequest>(rate),
      echo,
      drain
    )
    expect(await exchange(server.address, 'ping').catch(() => 'reset')).not.toBe('ping')
    allowed.add('unix:')
    expect(await exchange(server.address, 'ping')).toBe('ping')
    expect(await exchange(server.address, 'again')).toBe('again')
    await server.close()
    await serving
  })

  it('that is a row, is on no list', () => {
    const row = new MessageRequest({ server: new Counter(), packet: 'row' })
    expect(allowAddresses(['unix:', '::/0', '0.0.0.0/0'])(row)).toBe(false)
    expect(denyAddresses(['unix:', '::/0', '0.0.0.0/0'])(row)).toBe(true)
    expect(rateLimit({ rate: 1 })(row)).toBe(true)
  })
})

describe('the predicates', () => {
  it('take their lists at once, and name what is wrong', () => {
    expect(() => allowAddresses(['nonsense'])).toThrow('"nonsense"')
    expect(() => denyAddresses(['nonsense'])).toThrow('"nonsense"')
    expect(() => rateLimit({ rate: 0 })).toThrow(RangeError)
  })
})
