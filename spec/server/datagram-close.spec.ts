import { existsSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  type DatagramRequest,
  type DroppedEvent,
  drain,
  parallel,
  pipe,
  type Request,
  sequential,
  UDPServer,
  UnixDatagramServer
} from '../../lib/index.ts'
import { runChild } from '../support/child.ts'
import { UDPPeer, unixPeer, waitingAt } from '../support/datagram-peers.ts'
import { overhear } from '../support/events.ts'
import { temporaryPath } from '../support/peers.ts'
import { udp, unixDatagram } from '../support/servers.ts'
import { turns, watch } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const echo = (request: Request) => pipe(request, request)
const well = { aborted: 0, refused: 0, stillOpen: [] }

interface Client {
  send(bytes: string): Promise<void>
  receive(n: number): Promise<string[]>
  got(): string[]
}

/** A server of one kind, and how to talk to it. */
interface Kind {
  readonly name: string
  readonly fresh: () => UDPServer | UnixDatagramServer
  readonly start: () => Promise<UDPServer | UnixDatagramServer>
  readonly client: (server: UDPServer | UnixDatagramServer) => Promise<Client>
}

async function udpClient(server: UDPServer | UnixDatagramServer): Promise<Client> {
  const peer = await UDPPeer.bound()
  const address = server.address as { host: string; port: number }
  return {
    send: (bytes) => peer.send(address, bytes),
    receive: async (n) => (await peer.receive(n)).map(String),
    got: () => peer.got.map(String)
  }
}

async function unixClient(server: UDPServer | UnixDatagramServer): Promise<Client> {
  const peer = unixPeer(temporaryPath())
  const { path } = server.address as { path: string }
  const got: string[] = []
  return {
    send: async (bytes) => {
      const failure = peer.send(path, bytes)
      if (failure !== undefined) throw new Error(failure)
    },
    receive: async (n) => {
      while (got.length < n) got.push(String(await peer.receive()))
      return got
    },
    got: () => {
      for (let next = peer.tryReceive(); next !== undefined; next = peer.tryReceive()) got.push(String(next))
      return got
    }
  }
}

const kinds: Kind[] = [
  ...(['native', 'node'] as const).map((backend) => ({
    name: `UDP by ${backend}`,
    fresh: () => new UDPServer({ backend }),
    start: () => udp({ backend }),
    client: udpClient
  })),
  {
    name: 'Unix datagrams at a path',
    fresh: () => new UnixDatagramServer({ path: temporaryPath() }),
    start: () => unixDatagram(),
    client: unixClient
  },
  {
    name: 'Unix datagrams at an abstract name',
    fresh: () => new UnixDatagramServer({ path: `\0${temporaryPath()}` }),
    start: () => unixDatagram({ path: `\0${temporaryPath()}` }),
    client: unixClient
  }
]

describe.for(kinds)('close() of $name', ({ name, fresh, start, client }) => {
  const native = name !== 'UDP by node'

  it('ends loops that are parked', async () => {
    const server = await start()
    const loops: Promise<unknown>[] = [drain(server), drain(server), server.serveForever(sequential(echo))]
    await turns(5)
    expect(await server.close()).toEqual({ finished: 0, ...well })
    await Promise.all(loops)
    expect(server.fileno()).toBe(undefined)
  })

  it('is safe where nobody listens yet, and twice', async () => {
    const server = fresh()
    expect(await server.close()).toEqual({ finished: 0, ...well })
    await expect(server.listen()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    const second = await start()
    expect(await Promise.all([second.close(), second.close(), second.close()])).toHaveLength(3)
    await second.close()
  })

  it('is safe while it begins to listen', async () => {
    const server = fresh()
    const listening = watch<unknown>(server.listen())
    await server.close()
    await expect(listening.promise).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(server.fileno()).toBe(undefined)
  })

  it('comes of a break, and the reply goes out', async () => {
    const server = await start()
    const peer = await client(server)
    await peer.send('last')
    for await (const request of server) {
      await pipe(request, request)
      break
    }
    expect(await peer.receive(1)).toEqual(['last'])
    expect(await server.closed).toMatchObject({ aborted: 0 })
  })

  it('inside a handler lets it finish and reply', async () => {
    const server = await start()
    const serving = server.serveForever(
      sequential(async (request: Request) => {
        void server.close()
        await turns(3)
        await request.wfile.write('the last')
      })
    )
    const peer = await client(server)
    await peer.send('x')
    expect(await peer.receive(1)).toEqual(['the last'])
    expect(await serving).toEqual({ finished: 1, ...well })
  })

  it('serves those who have come already, where a loop runs', async () => {
    const server = await start()
    const peer = await client(server)
    const many = 8
    for (let i = 0; i < many; i++) await peer.send(String(i))
    const serving = drain(sequential(echo)(server))
    const report = await server.close()
    await serving
    expect(report).toEqual({ finished: many, ...well })
    expect(await peer.receive(many)).toEqual(Array.from({ length: many }, (_, i) => String(i)))
  })

  it('serves those who wait behind one that takes its time', async () => {
    const server = await start()
    const peer = await client(server)
    let release: (() => void) | undefined
    const serving = drain(
      sequential(async (request: DatagramRequest) => {
        if (String(request.packet) === '0')
          await new Promise<void>((resolve) => {
            release = resolve
          })
        await request.wfile.write(request.packet)
      })(server)
    )
    for (let i = 0; i < 5; i++) await peer.send(String(i))
    while (release === undefined) await turns()
    const closing = server.close()
    await turns(10)
    expect(server.stats()).toMatchObject({ open: 1, waiting: 4 })
    release()
    expect(await closing).toEqual({ finished: 5, ...well })
    await serving
    expect(await peer.receive(5)).toEqual(['0', '1', '2', '3', '4'])
  })

  it('refuses and counts those who have come already, where nobody takes them', async () => {
    using drops = overhear<DroppedEvent>('dropped')
    const server = await start()
    const peer = await client(server)
    for (const text of ['a', 'bb', 'ccc']) await peer.send(text)
    expect(await server.close()).toMatchObject({ finished: 0, aborted: 0, refused: 3 })
    expect(drops.messages.map(({ reason, bytes }) => [reason, bytes])).toEqual([
      ['closing', 1],
      ['closing', 2],
      ['closing', 3]
    ])
    expect(server.stats()).toMatchObject({ dropped: 3, waiting: 0, open: 0 })
  })

  it('hears nobody who comes later, though one is being served and answered still', async () => {
    const server = await start()
    const peer = await client(server)
    const late = await client(server)
    let release: (() => void) | undefined
    const serving = drain(
      parallel(async (request: DatagramRequest) => {
        await new Promise<void>((resolve) => {
          release = resolve
        })
        await request.wfile.write(request.packet)
      })(server)
    )
    await peer.send('in time')
    while (release === undefined) await turns()
    const closing = server.close()
    await turns(10)
    await late.send('too late').catch(() => {})
    await turns(10)
    // Nor does it wait in the kernel, for nobody.
    if (native) expect(waitingAt(server.fileno())).toBe(0)
    release()
    expect(await closing).toMatchObject({ finished: 1, aborted: 0 })
    await serving
    expect(await peer.receive(1)).toEqual(['in time'])
    expect(late.got()).toEqual([])
    expect(server.stats()).toMatchObject({ accepted: 1, dropped: native ? 0 : 1 })
  })

  it('in a burst serves or counts every one', async () => {
    const server = await start()
    const peer = await client(server)
    let served = 0
    const serving = drain(
      parallel(async () => {
        served++
        if (served === 20) void server.close()
        await turns(1)
      })(server)
    )
    let sent = 0
    let trouble = ''
    while (sent < 100 && (trouble === '' || trouble === 'EAGAIN')) {
      trouble = await peer.send('x').then(
        () => '',
        (error: unknown) => (error as Error).message
      )
      if (trouble === '') sent++
      // A Unix queue is short, and its senders wait.
      if (trouble !== '' || sent % 7 === 0) await turns()
    }
    await server.closed
    await serving
    const { accepted, dropped } = server.stats()
    expect(accepted).toBe(served)
    expect(served).toBeGreaterThanOrEqual(20)
    expect(dropped).toBeLessThanOrEqual(sent - served)
  })
})

describe('close() of a server of Unix datagrams', () => {
  it('tells its senders at once: those who know its path, and those who are connected', async () => {
    const server = await unixDatagram()
    const { path } = server.address
    const [connected, other] = [unixPeer(), unixPeer()]
    connected.connect(path)
    let release: (() => void) | undefined
    const serving = drain(parallel(() => new Promise<void>((resolve) => (release = resolve)))(server))
    expect(connected.sendConnected('x')).toBe(undefined)
    while (release === undefined) await turns()
    const closing = server.close()
    await turns(5)
    // It serves one still.
    expect(connected.sendConnected('x')).toBe('EPIPE')
    expect(other.send(path, 'x')).toBe('ENOENT')
    expect(readdirSync(dirname(path))).toEqual([])
    release()
    await closing
    await serving
    expect(connected.sendConnected('x')).toBe('ECONNREFUSED')
  })

  it('frees an abstract name', async () => {
    const path = `\0${temporaryPath()}`
    const server = await unixDatagram({ path })
    await expect(unixDatagram({ path })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await server.close()
    expect(unixPeer().send(path, 'x')).toBe('ECONNREFUSED')
    await (await unixDatagram({ path })).close()
  })

  it('loses no empty datagram of somebody without an address', async () => {
    const server = await unixDatagram()
    for (let i = 0; i < 6; i++) unixPeer().send(server.address.path, i % 3 === 2 ? 'x' : '')
    const seen: string[] = []
    const serving = drain(sequential((request: DatagramRequest) => void seen.push(String(request.packet)))(server))
    await server.close()
    await serving
    expect(seen).toEqual(['', '', 'x', '', '', 'x'])
  })

  it('leaves the path to whoever has it meanwhile', async () => {
    const server = await unixDatagram()
    const { path } = server.address
    const { unlinkSync } = await import('node:fs')
    unlinkSync(path)
    const successor = await unixDatagram({ path })
    await server.close()
    expect(existsSync(path)).toBe(true)
    void drain(parallel(echo)(successor))
    expect(String(await unixPeer(temporaryPath()).exchange(path, 'x'))).toBe('x')
  })
})

describe('close() of a UDP server by native', () => {
  it('keeps no more than maxPending of those who have come, and counts the rest', async () => {
    using drops = overhear<DroppedEvent>('dropped')
    const server = await udp({ backend: 'native', maxPending: 3 })
    const peer = await UDPPeer.bound()
    for (let i = 0; i < 100; i++) await peer.send(server.address, String(i))
    const seen: string[] = []
    const loop = server.requests()
    const first = (await loop.next()).value as DatagramRequest
    const closing = server.close()
    while (server.stats().waiting === 0) await turns()
    await first.close()
    for await (const request of loop) {
      seen.push(String(request.packet))
      await request.close()
    }
    expect(await closing).toMatchObject({ finished: 4, refused: 96 })
    expect(seen).toEqual(['1', '2', '3'])
    expect(drops.messages.map(({ reason }) => reason)).toEqual(Array(96).fill('pending'))
  })

  it('looks behind those that are too large', async () => {
    const server = await udp({ backend: 'native', maxPacketSize: 1 })
    const peer = await UDPPeer.bound()
    for (let i = 0; i < 100; i++) await peer.send(server.address, 'large')
    await peer.send(server.address, 'x')
    const seen: string[] = []
    const serving = drain(sequential((request: DatagramRequest) => void seen.push(String(request.packet)))(server))
    await server.close()
    await serving
    expect(seen).toEqual(['x'])
    expect(server.stats().dropped).toBe(100)
  })
})

describe.for(['lib.UDPServer({ backend: "native" })', 'lib.UDPServer({ backend: "node" })', 'Unix'])(
  'a process with a %s',
  (given) => {
    const make = given === 'Unix' ? `lib.UnixDatagramServer({ path: ${JSON.stringify(temporaryPath())} })` : given

    it('goes on while it listens, and ends by itself after the close', async () => {
      const { code, stdout, stderr } = await runChild(`
        const server = await new ${make}.listen()
        // Fires only where something else holds the process.
        setTimeout(() => { console.log('held'); void server.close() }, 50).unref()
      `)
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'held\n', stderr: '' })
    })

    it('goes on while a loop is parked, and ends where it is closed', async () => {
      const { code, stdout, stderr } = await runChild(`
        const server = new ${make}
        setTimeout(() => { console.log('held'); void server.close() }, 50).unref()
        for await (const request of server);
        console.log('over')
      `)
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'held\nover\n', stderr: '' })
    })

    it('ends with unref(), whenever that was said', async () => {
      const script = (order: string) => `
        const server = new ${make}
        ${order}
        void server.requests().next()
        setTimeout(() => console.log('held'), 50).unref()
      `
      for (const order of ['server.unref(); await server.listen()', 'await server.listen(); server.unref()']) {
        expect(await runChild(script(order))).toEqual({ code: 0, stdout: '', stderr: '' })
      }
    })

    it('goes on with ref() after unref()', async () => {
      const { code, stdout } = await runChild(`
        const server = await new ${make}.listen()
        server.unref().ref()
        setTimeout(() => { console.log('held'); void server.close() }, 50).unref()
      `)
      expect({ code, stdout }).toEqual({ code: 0, stdout: 'held\n' })
    })
  }
)
