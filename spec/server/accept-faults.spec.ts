import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { constants } from 'node:os'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { libc } from '../../lib/accept/native/libc.ts'
import { encodeInternet } from '../../lib/accept/native/sockaddr.ts'
import {
  type AcceptErrorEvent,
  type DatagramRequest,
  type InternetAddress,
  parallel,
  type StreamRequest,
  sequential
} from '../../lib/index.ts'
import { UDPPeer } from '../support/datagram-peers.ts'
import { overhear } from '../support/events.ts'
import { madeSocket } from '../support/made-sockets.ts'
import { dial, exchange, received } from '../support/peers.ts'
import { tcp, udp } from '../support/servers.ts'
import { turns, watch } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

// What accept4 says instead, one for each call.
const { mishaps, netServers, dgramSockets } = vi.hoisted(() => ({
  mishaps: [] as string[],
  netServers: [] as Server[],
  dgramSockets: [] as DatagramSocket[]
}))

vi.mock('../../lib/accept/native/libc.ts', async (original) => {
  const real = await original<typeof import('../../lib/accept/native/libc.ts')>()
  const calls = real.libc()
  let mishap: string | undefined
  const faulty: typeof calls = {
    ...calls,
    accept4: (...given) => {
      mishap = mishaps.shift()
      return mishap === undefined ? calls.accept4(...given) : -1
    },
    // Of a call that was not made nothing else tells.
    errno: () => (mishap === undefined ? calls.errno() : -1),
    error: (call) =>
      call === 'accept4' && mishap !== undefined
        ? Object.assign(new Error(`${call} ${mishap}`), { code: mishap })
        : calls.error(call)
  }
  return { ...real, libc: () => faulty }
})

vi.mock('node:net', async (original) => {
  const real = await original<typeof import('node:net')>()
  const createServer = (...given: Parameters<typeof real.createServer>): Server => {
    const server = real.createServer(...given)
    netServers.push(server)
    return server
  }
  return { ...real, createServer }
})

vi.mock('node:dgram', async (original) => {
  const real = await original<typeof import('node:dgram')>()
  const createSocket = (...given: Parameters<typeof real.createSocket>): DatagramSocket => {
    const socket = real.createSocket(...given)
    dgramSockets.push(socket)
    return socket
  }
  return { ...real, createSocket }
})

beforeEach(() => {
  mishaps.length = 0
})

const backends = ['native', 'node'] as const

/** Have the listener hear of an error, as from the kernel. */
function fail(backend: (typeof backends)[number], code: string): void {
  if (backend === 'native') {
    mishaps.push(code)
    return
  }
  // As libuv tells Node of it.
  const { _handle } = netServers.at(-1) as unknown as { _handle: { onconnection(status: number): void } }
  const { errno } = constants as { errno: Record<string, number> }
  _handle.onconnection(-(errno[code] ?? 0))
}

describe.for(backends)('an error on accepting (%s)', (backend) => {
  const waits = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']
  const skips = ['ECONNABORTED', 'EPROTO']

  it.for([...waits, ...skips])(
    'that passes leaves alone who is inside, and the next one is served: %s',
    async (code) => {
      using errors = overhear<AcceptErrorEvent>('accept-error')
      const server = await tcp({ backend })
      const echo = async ({ rfile, wfile }: StreamRequest): Promise<void> => {
        for await (const line of rfile.lines()) await wfile.write(line)
      }
      const serving = server.serveForever(parallel(echo))
      const inside = await dial(server.address)
      inside.write('before\n')
      expect(String((await once(inside, 'data'))[0])).toBe('before\n')
      fail(backend, code)
      // Whoever comes now.
      const next = exchange(server.address, 'next\n')
      inside.write('meanwhile\n')
      expect(String((await once(inside, 'data'))[0])).toBe('meanwhile\n')
      expect(await next).toBe('next\n')
      expect(errors.messages).toMatchObject([{ verdict: waits.includes(code) ? 'wait' : 'skip', error: { code } }])
      inside.end('last\n')
      expect(String(await received(inside))).toBe('last\n')
      expect(await server.close()).toMatchObject({ aborted: 0, refused: 0 })
      await serving
      expect(server.stats()).toMatchObject({ accepted: 2, served: 2, failed: 0, open: 0 })
      expect(server.errors).toEqual([])
    }
  )

  it('that nobody knows ends the loop with it, and the server: who is inside is served, the port is free', async () => {
    using errors = overhear<AcceptErrorEvent>('accept-error')
    const server = await tcp({ backend })
    const { port } = server.address
    let begun: () => void = () => {}
    const inside = new Promise<void>((resolve) => {
      begun = resolve
    })
    const handler = async ({ rfile, wfile }: StreamRequest): Promise<void> => {
      begun()
      await wfile.write((await rfile.readLine()) ?? '')
    }
    const serving = watch(server.serveForever(parallel(handler)))
    const client = await dial(server.address)
    await inside
    fail(backend, 'EBADF')
    // The loop hears of it by the next one that would be accepted.
    const woken = backend === 'native' ? await dial(server.address).catch(() => undefined) : undefined
    woken?.on('error', () => {})
    while (errors.messages.length === 0) await turns()
    client.end('served\n')
    expect(String(await received(client))).toBe('served\n')
    await expect(serving.promise).rejects.toMatchObject({ name: 'ListenError', code: 'EBADF' })
    expect(await server.closed).toMatchObject({ aborted: 0 })
    expect(errors.messages).toMatchObject([{ verdict: 'fatal', error: { code: 'EBADF' } }])
    expect(server.fileno()).toBe(undefined)
    expect(server.stats()).toMatchObject({ served: 1, failed: 0, open: 0 })
    woken?.destroy()
    const successor = await tcp({ port })
    expect(successor.address.port).toBe(port)
  })
})

describe('a shortage that Node tells of again and again', () => {
  it('is published once, and then once a second, as long as it is the same', async () => {
    using errors = overhear<AcceptErrorEvent>('accept-error')
    const server = await tcp({ backend: 'node' })
    const clock = vi.spyOn(performance, 'now')
    // Whole milliseconds: of others a second later is not always a second.
    let now = Math.floor(performance.now())
    clock.mockImplementation(() => now)
    const told: number[] = []
    for (const [code, passes] of [
      ['EMFILE', 0],
      ['EMFILE', 999],
      ['EMFILE', 1],
      ['EMFILE', 10],
      ['ENFILE', 0],
      ['ENFILE', 10],
      ['ECONNABORTED', 0],
      ['ECONNABORTED', 0]
    ] as const) {
      now += passes
      for (let i = 0; i < 100; i++) fail('node', code)
      told.push(errors.messages.length)
    }
    clock.mockRestore()
    expect(told).toEqual([1, 1, 2, 2, 3, 3, 103, 203])
    expect(await server.close()).toMatchObject({ refused: 0 })
  })
})

describe('an error on receiving', () => {
  it.for(['ENOMEM', 'ENOBUFS', 'ECONNREFUSED'])('by Node’s socket leaves the server going: %s', async (code) => {
    using errors = overhear<AcceptErrorEvent>('accept-error')
    const server = await udp({ backend: 'node' })
    const socket = dgramSockets.at(-1) as DatagramSocket
    const peer = await UDPPeer.bound()
    const loop = server.requests()
    const next = loop.next()
    socket.emit('error', Object.assign(new Error(`recvmsg ${code}`), { code }))
    await peer.send(server.address, 'x')
    expect(String((await next).value?.packet)).toBe('x')
    expect(errors.messages).toMatchObject([{ verdict: code === 'ECONNREFUSED' ? 'skip' : 'wait', error: { code } }])
  })

  it('by Node’s socket that nobody knows ends the loop with it, and the server', async () => {
    using errors = overhear<AcceptErrorEvent>('accept-error')
    const server = await udp({ backend: 'node' })
    const serving = watch(server.serveForever(sequential(() => {})))
    await turns(3)
    dgramSockets.at(-1)?.emit('error', Object.assign(new Error('recvmsg EBADF'), { code: 'EBADF' }))
    await expect(serving.promise).rejects.toMatchObject({ name: 'ListenError', code: 'EBADF' })
    expect(await server.closed).toMatchObject({ aborted: 0 })
    expect(errors.messages).toMatchObject([{ verdict: 'fatal' }])
    expect(server.stats().open).toBe(0)
  })

  // The kernel tells a socket that is connected what became of a datagram that it had sent. (By libuv such a one sends
  // nothing to an address.)
  it('that tells of a reply that found nobody does not end the server', async () => {
    using errors = overhear<AcceptErrorEvent>('accept-error')
    const { fd, address } = madeSocket('IPv4', 'datagram')
    const { port } = address as InternetAddress
    const gone = createSocket('udp4')
    gone.bind(0, '127.0.0.1')
    await once(gone, 'listening')
    const to = encodeInternet('127.0.0.1', gone.address().port)
    expect(libc().connect(fd, to, to.length)).toBe(0)
    const server = await udp({ backend: 'native', fd })
    const seen: string[] = []
    const reply = async ({ packet, wfile }: DatagramRequest): Promise<void> => {
      seen.push(String(packet))
      gone.close()
      await once(gone, 'close')
      await wfile.write(packet)
    }
    const serving = watch(server.serveForever(sequential(reply)))
    gone.send('first', port, '127.0.0.1')
    await errors.count(1)
    expect(errors.messages).toMatchObject([{ verdict: 'skip', error: { code: 'ECONNREFUSED' } }])
    expect(serving.state).toBe('pending')
    await server.close()
    await serving.promise
    expect(seen).toEqual(['first'])
  })
})
