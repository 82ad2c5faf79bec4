import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { DatagramBinding } from '../../../lib/accept/datagram/datagram-binding.ts'
import { NativeDatagramListener } from '../../../lib/accept/datagram/native-datagram-listener.ts'
import { UDPBinding } from '../../../lib/accept/datagram/udp-binding.ts'
import { libc } from '../../../lib/accept/native/libc.ts'
import {
  type AcceptErrorEvent,
  BaseServer,
  type DatagramRequest,
  drain,
  formatAddress,
  type InternetAddress,
  sequential,
  UDPServer
} from '../../../lib/index.ts'
import { zeroStats } from '../../../lib/stats.ts'
import { UDPPeer } from '../../support/datagram-peers.ts'
import { overhear } from '../../support/events.ts'
import { datagramLimits } from '../../support/limits.ts'
import { madeSocket, otherHolder } from '../../support/made-sockets.ts'
import { udp } from '../../support/servers.ts'
import { turns, watch } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const MSG_DONTWAIT = 0x40

/** What recvfrom, or recvmmsg, says instead, one for each call. */
let mishaps: string[] = []

// The real one, but for the calls that shall fail.
vi.mock('../../../lib/accept/native/libc.ts', async (original) => {
  const real = await original<typeof import('../../../lib/accept/native/libc.ts')>()
  const calls = real.libc()
  let mishap: string | undefined
  const faulty: typeof calls = {
    ...calls,
    recvfrom: (...given) => {
      mishap = mishaps.shift()
      return mishap === undefined ? calls.recvfrom(...given) : -1
    },
    recvmmsg: (...given) => {
      mishap = mishaps.shift()
      return mishap === undefined ? calls.recvmmsg(...given) : -1
    },
    // Of a call that was not made nothing else tells.
    errno: () => (mishap === undefined ? calls.errno() : mishap === 'EAGAIN' ? real.EAGAIN : -1),
    error: (call) =>
      call.startsWith('recv') && mishap !== undefined
        ? Object.assign(new Error(`${call} ${mishap}`), { code: mishap })
        : calls.error(call)
  }
  return { ...real, libc: () => faulty }
})

beforeEach(() => {
  mishaps = []
})

const limits = datagramLimits({ maxPending: 10, maxQueuedReplies: 10, sendTimeout: 1_000 })
const options = {
  limits,
  receiveBufferSize: undefined,
  sendBufferSize: undefined,
  host: '127.0.0.1',
  port: 0,
  ipv6Only: false,
  reusePort: false,
  broadcast: false,
  multicast: [],
  multicastTTL: undefined,
  multicastLoopback: undefined,
  multicastInterface: undefined,
  fd: undefined
}

describe('an error of recvfrom', () => {
  it('that passes makes it wait for a while, and is published', async () => {
    using errors = overhear<AcceptErrorEvent>('accept-error')
    const server = await udp({ backend: 'native' })
    const peer = await UDPPeer.bound()
    mishaps = ['ENOMEM', 'ENOBUFS']
    await peer.send(server.address, 'x')
    const loop = server.requests()
    expect(String((await loop.next()).value?.packet)).toBe('x')
    expect(errors.messages).toMatchObject([
      { verdict: 'wait', error: { code: 'ENOMEM' } },
      { verdict: 'wait', error: { code: 'ENOBUFS' } }
    ])
  })

  it('that concerns one datagram is published, and the next one is taken', async () => {
    using errors = overhear<AcceptErrorEvent>('accept-error')
    const server = await udp({ backend: 'native' })
    const peer = await UDPPeer.bound()
    mishaps = ['EHOSTUNREACH', 'EINTR', 'ENETDOWN']
    await peer.send(server.address, 'x')
    expect(String((await server.requests().next()).value?.packet)).toBe('x')
    expect(errors.messages.map(({ verdict }) => verdict)).toEqual(['skip', 'skip'])
  })

  it('that means a dead socket ends the loop with it, at once or after a wait', async () => {
    for (const parked of [false, true]) {
      using errors = overhear<AcceptErrorEvent>('accept-error')
      const server = await udp({ backend: 'native' })
      const peer = await UDPPeer.bound()
      if (!parked) mishaps = ['EBADF']
      const loop = watch(drain(server))
      await turns(5)
      if (parked) {
        mishaps = ['EBADF']
        await peer.send(server.address, 'x')
      }
      await expect(loop.promise).rejects.toMatchObject({ name: 'ListenError', code: 'EBADF' })
      expect(errors.messages).toMatchObject([{ verdict: 'fatal' }])
      expect(await server.closed).toMatchObject({ aborted: 0 })
      expect(server.fileno()).toBe(undefined)
    }
  })

  it('at the close ends the close well all the same, with a poll that is armed', async () => {
    const server = await udp({ backend: 'native' })
    const loop = drain(server)
    await turns(5)
    mishaps = ['EBADF']
    expect(await server.close()).toMatchObject({ finished: 0, aborted: 0 })
    await loop
    expect(server.errors).toMatchObject([{ code: 'EBADF' }])
    expect(server.fileno()).toBe(undefined)
  })

  it('that comes again and again makes no more than a burst of tries in a turn', async () => {
    const server = await udp({ backend: 'native' })
    mishaps = Array(1_000).fill('EHOSTUNREACH')
    const loop = server.requests()
    const next = loop.next()
    let before = mishaps.length
    while (before > 0) {
      await turns()
      expect(before - mishaps.length).toBeLessThanOrEqual(2 * 64)
      before = mishaps.length
    }
    const peer = await UDPPeer.bound()
    await peer.send(server.address, 'x')
    expect(String((await next).value?.packet)).toBe('x')
  })
})

describe('a native datagram listener', () => {
  async function listening(binding: DatagramBinding, others = {}): Promise<NativeDatagramListener> {
    const bounds = { ...options, limits: { ...limits, ...others } }
    const listener = new NativeDatagramListener(binding, bounds, new BaseServer(), zeroStats())
    await listener.listen()
    onTestFinished(() => listener.release())
    return listener
  }

  it('lets go of its poll before its descriptor, though letting go of its name fails', async () => {
    class Stubborn extends UDPBinding {
      override leave(fd: number): void {
        super.leave(fd)
        throw new Error('not mine to remove')
      }
    }
    const listener = await listening(new Stubborn(options))
    const parked = listener.accept()
    await turns(3)
    await expect(listener.close()).rejects.toThrow('not mine')
    expect(await parked).toBe(undefined)
    await listener.release()
    await listener.release()
    expect(listener.fileno()).toBe(undefined)
  })

  it('hands over to who is parked what has come at the moment of the close', async () => {
    const listener = await listening(new UDPBinding(options))
    const parked = listener.accept()
    const peer = await UDPPeer.bound()
    const { port } = listener.address as { port: number }
    for (const text of ['a', 'b']) await peer.send({ host: '127.0.0.1', port }, text)
    await listener.close()
    expect(String((await parked)?.packet)).toBe('a')
    expect(String((listener.accept() as DatagramRequest).packet)).toBe('b')
    expect(listener.accept()).toBe(undefined)
  })

  it('hands over at the close what it took with others, though the rest is left to those who share its socket', async () => {
    const { fd, address } = madeSocket('IPv4', 'datagram')
    const listener = await listening(new UDPBinding({ ...options, fd }), { maxPending: 100 })
    const peer = await UDPPeer.bound()
    for (let i = 0; i < 40; i++) await peer.send(address as InternetAddress, `${i}`)
    const taken: string[] = []
    while (listener.waiting === 0) taken.push(String((await listener.accept())?.packet))
    const shared = otherHolder(fd)
    await listener.close()
    for (let next = listener.accept(); next !== undefined; next = listener.accept()) {
      taken.push(String((next as DatagramRequest).packet))
    }
    expect(taken.length).toBeLessThan(40)
    const bytes = Buffer.alloc(10)
    for (let at = taken.length; at < 40; at++) {
      const size = libc().recv(shared, bytes, bytes.length, MSG_DONTWAIT)
      taken.push(bytes.toString('latin1', 0, size))
    }
    expect(taken).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`))
  })

  it('tells senders apart that take turns, and answers each', async () => {
    const server = await udp({ backend: 'native' })
    void drain(
      sequential((request: DatagramRequest) => request.wfile.write(formatAddress(request.clientAddress)))(server)
    )
    const peers = await Promise.all(Array.from({ length: 3 }, () => UDPPeer.bound()))
    for (const at of [0, 0, 1, 0, 2, 2, 1]) {
      const peer = peers[at] as UDPPeer
      expect(String(await peer.exchange(server.address, 'who am I?'))).toBe(`127.0.0.1:${peer.port}`)
    }
  })

  it('never uses a descriptor after its release, which may be somebody else’s by then', async () => {
    const server = await udp({ backend: 'native' })
    const peer = await UDPPeer.bound()
    await peer.send(server.address, 'x')
    const request = (await server.requests({ closeOnReturn: false }).next()).value as DatagramRequest
    const fd = server.fileno()
    await request.wfile.write('reply')
    await server.close({ deadline: 0 })
    const successor = await new UDPServer({ backend: 'native' }).listen()
    expect(successor.fileno()).toBe(fd)
    await request.close().catch(() => {})
    const { clientAddress } = request
    expect(clientAddress).toMatchObject({ port: peer.port })
    await successor.close()
    await turns(5)
    expect(peer.got).toEqual([])
  })
})
