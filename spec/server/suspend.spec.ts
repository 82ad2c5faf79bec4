import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  BaseServer,
  MessageRequest,
  parallel,
  pipe,
  type RefusedEvent,
  type StreamRequest,
  sequential,
  TCPServer
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { overhear, settled } from '../support/events.ts'
import { dial, dialTLS, exchange, received } from '../support/peers.ts'
import { gone, tcp, tls } from '../support/servers.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const echo = (request: StreamRequest): unknown => pipe(request, request)

/** Connections that the kernel holds for a server, as `ss` shows them. */
function backlogOf({ address }: TCPServer): number {
  const line = execFileSync('ss', ['-ltnH', `sport = :${address.port}`], { encoding: 'utf8' })
  return Number(line.trim().split(/\s+/)[1])
}

/** Clients that have each sent a number, and ended. */
async function clientsOf(server: TCPServer, many: number): Promise<Socket[]> {
  const clients: Socket[] = []
  for (let i = 0; i < many; i++) {
    const client = await dial(server.address)
    // Who is refused may be told by a reset.
    client.on('error', () => {})
    client.end(`${i}\n`)
    clients.push(client)
  }
  return clients
}

describe('a suspended server by native', () => {
  const native = { backend: 'native' } as const

  it('leaves who comes in the backlog of the kernel, and serves them in their order', async () => {
    const server = await tcp(native)
    const seen: string[] = []
    const serving = server.serveForever(
      sequential(async ({ rfile }: StreamRequest) => {
        seen.push(String(await rfile.readLine({ chomp: true })))
      })
    )
    expect(await exchange(server.address, 'x\n')).toBe('')
    server.suspend()
    const clients = await clientsOf(server, 5)
    await turns(10)
    expect(backlogOf(server)).toBe(5)
    expect(server.stats()).toMatchObject({ accepted: 1, refused: 0, waiting: 0 })
    server.resume()
    await Promise.all(clients.map(received))
    expect(seen).toEqual(['x', '0', '1', '2', '3', '4'])
    expect(backlogOf(server)).toBe(0)
    await server.close()
    await serving
  })

  it('leaves them there too where it was suspended before it listened', async () => {
    const server = new TCPServer(native)
    server.suspend()
    await server.listen()
    const serving = server.serveForever(parallel(echo))
    const clients = await clientsOf(server, 2)
    await turns(10)
    expect(backlogOf(server)).toBe(2)
    server.resume()
    expect(String(await received(clients[1] as Socket))).toBe('1\n')
    await server.close()
    await serving
  })

  it('does not burn the processor meanwhile: it asks the kernel for nothing', async () => {
    const server = await tcp(native)
    const serving = server.serveForever(parallel(echo))
    await turns(3)
    server.suspend()
    await clientsOf(server, 1)
    // The poll that was armed may fire once.
    await turns(5)
    expect(process.getActiveResourcesInfo()).not.toContain('Immediate')
    expect(await server.close()).toMatchObject({ finished: 1, refused: 0 })
    await serving
  })

  it('at maxConnections takes nobody in who makes room, and keeps to the limit where it is resumed', async () => {
    const server = await tcp({ ...native, maxConnections: 2 })
    const gates = [deferred<void>(), deferred<void>(), deferred<void>(), deferred<void>()]
    let inside = 0
    let most = 0
    const serving = server.serveForever(
      parallel(async () => {
        const gate = gates[inside++]
        most = Math.max(most, server.stats().open)
        await gate?.promise
      })
    )
    const clients = await clientsOf(server, 4)
    await server.waitForConnections((open) => open === 2)
    server.suspend()
    gates[0]?.resolve()
    await server.waitForConnections((open) => open === 1)
    await turns(5)
    expect([inside, backlogOf(server)]).toEqual([2, 2])
    server.resume()
    await server.waitForConnections((open) => open === 2)
    await turns(5)
    expect([inside, backlogOf(server)]).toEqual([3, 1])
    for (const gate of gates) gate.resolve()
    await Promise.all(clients.map(received))
    expect([inside, most]).toEqual([4, 2])
    await server.close()
    await serving
  })

  it('empties the backlog at its close: into the loop that runs', async () => {
    const server = await tcp(native)
    const serving = server.serveForever(sequential(echo))
    server.suspend()
    const clients = await clientsOf(server, 3)
    const report = await server.close()
    expect(report).toMatchObject({ finished: 3, refused: 0, aborted: 0 })
    expect(await Promise.all(clients.map(received))).toEqual(['0\n', '1\n', '2\n'].map((text) => Buffer.from(text)))
    await serving
  })

  it('empties the backlog at its close: refused where no loop runs', async () => {
    const server = await tcp(native)
    server.suspend()
    const clients = await clientsOf(server, 3)
    expect(await server.close()).toMatchObject({ finished: 0, refused: 3 })
    for (const client of clients) expect(await received(client).catch(() => Buffer.alloc(0))).toHaveLength(0)
    expect(server.stats().refusedBy.closing).toBe(3)
  })

  it('takes no TLS client in either, though its handshakes go before', async () => {
    const server = await tls(native)
    const serving = server.serveForever(parallel(echo))
    server.suspend()
    const dialling = dialTLS(server.address)
    await turns(10)
    expect(server.stats()).toMatchObject({ accepted: 0, waiting: 0 })
    server.resume()
    const client = await dialling
    client.end('secret')
    expect(String(await received(client))).toBe('secret')
    await server.close()
    await serving
  })
})

describe('a suspended server by Node', () => {
  const node = { backend: 'node' } as const

  it('refuses who comes, and says why', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await tcp(node)
    const serving = server.serveForever(parallel(echo))
    server.suspend()
    const client = await dial(server.address)
    const { localPort } = client
    expect(await received(client).catch(() => Buffer.alloc(0))).toHaveLength(0)
    expect(refused.messages).toEqual([
      { server, reason: 'suspended', clientAddress: { family: 'IPv4', host: '127.0.0.1', port: localPort } }
    ])
    expect(server.stats().refusedBy).toMatchObject({ suspended: 1 })
    server.resume()
    expect(await exchange(server.address, 'again')).toBe('again')
    expect(await server.close()).toMatchObject({ refused: 0 })
    await serving
  })

  it('says so of who comes though it was suspended before it listened', async () => {
    const server = new TCPServer(node)
    server.suspend()
    const serving = server.serveForever(parallel(echo))
    await server.listen()
    expect(await exchange(server.address, 'early').catch(() => '')).toBe('')
    expect(server.stats()).toMatchObject({ accepted: 0, refused: 1 })
    server.resume()
    expect(await exchange(server.address, 'late')).toBe('late')
    await server.close()
    await serving
  })

  it('hands over a TLS client whose handshake had begun', async () => {
    const server = await tls(node)
    const serving = server.serveForever(parallel(echo))
    const plain = await dial(server.address)
    while (server.stats().waiting === 0) await turns()
    server.suspend()
    const client = await dialTLS(server.address, { socket: plain })
    client.end('secret')
    expect(String(await received(client))).toBe('secret')
    await server.close()
    await serving
  })
})

describe.for(['native', 'node'] as const)('suspend() by %s', (backend) => {
  it('in a handler lets that one, and those who run, go on', async () => {
    const server = await tcp({ backend })
    const serving = server.serveForever(
      parallel(async (request: StreamRequest) => {
        server.suspend()
        await echo(request)
      })
    )
    const client = await dial(server.address)
    await server.waitForConnections((open) => open === 1)
    client.end('to the end')
    expect(String(await received(client))).toBe('to the end')
    expect(server.suspended).toBe(true)
    server.resume()
    expect(await exchange(server.address, 'another')).toBe('another')
    await server.close()
    await serving
  })

  it('moves no deadline: who is inside is cut off when it comes', async () => {
    const server = await tcp({ backend, requestTimeout: 20 })
    const serving = server.serveForever(parallel(({ signal }: StreamRequest) => once(signal, 'abort')))
    const client = await dial(server.address)
    const ended = received(client).catch(() => {})
    await server.waitForConnections((open) => open === 1)
    server.suspend()
    await server.waitForConnections((open) => open === 0)
    expect(server.suspended).toBe(true)
    await ended
    await server.close()
    await serving
  })

  it('parks all loops, and resume() wakes each for a request of its own', async () => {
    const server = await tcp({ backend })
    server.suspend()
    const loops = [server.requests(), server.requests()]
    const parked = loops.map((loop) => loop.next())
    await turns(5)
    expect(await Promise.all(parked.map(settled))).toEqual([false, false])
    server.resume()
    const clients = [await dial(server.address), await dial(server.address)]
    const got = (await Promise.all(parked)).map(({ value }) => value as StreamRequest)
    expect(new Set(got).size).toBe(2)
    for (const client of clients) client.destroy()
    await Promise.all(got.map((request) => request.close()))
    await server.close()
  })

  it('keeps the address: nobody else can have it', async () => {
    const server = await tcp({ backend })
    const { address } = server
    server.suspend()
    expect(server.address).toEqual(address)
    await expect(new TCPServer({ port: address.port }).listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

describe('a suspended server of rows', () => {
  class Rows extends BaseServer<MessageRequest> {
    readonly rows = ['0', '1', '2', '3']
    asked = 0
    override getRequest(): MessageRequest | undefined {
      this.asked++
      const packet = this.rows.shift()
      return packet === undefined ? undefined : new MessageRequest({ server: this, packet })
    }
  }

  it('does not call getRequest(), and goes on where it is resumed', async () => {
    const server = new Rows()
    const seen: string[] = []
    let again = false
    server.suspend()
    const loop = (async () => {
      for await (const row of server) {
        seen.push(String(row.packet))
        await row.close()
        if (seen.length === 2 && !again) server.suspend()
      }
    })()
    await turns(3)
    expect([server.asked, seen]).toEqual([0, []])
    server.resume()
    await turns(3)
    expect([server.asked, seen]).toEqual([2, ['0', '1']])
    again = true
    server.resume()
    await loop
    expect(seen).toEqual(['0', '1', '2', '3'])
    expect(await server.close()).toMatchObject({ refused: 0 })
  })

  it('does not call it at its close either: who waits elsewhere is not taken out', async () => {
    const server = new Rows()
    server.suspend()
    const loop = server.requests().next()
    await turns(3)
    await server.close()
    expect(await loop).toEqual({ done: true, value: undefined })
    expect([server.asked, server.rows.length]).toEqual([0, 4])
  })

  it('takes what getRequest() was asked for before', async () => {
    const asked = deferred<MessageRequest>()
    class Slow extends BaseServer<MessageRequest> {
      override getRequest(): Promise<MessageRequest> {
        return asked.promise
      }
    }
    const server = new Slow()
    const next = server.requests().next()
    await turns()
    server.suspend()
    const row = new MessageRequest({ server, packet: 'row' })
    asked.resolve(row)
    expect((await next).value).toBe(row)
    await row.close()
    await server.close()
  })

  it('says so at once, forgets it where it is resumed, and cannot be told once it closes', async () => {
    const server = new BaseServer()
    expect(server.suspended).toBe(false)
    server.resume()
    server.suspend()
    server.suspend()
    expect(server.suspended).toBe(true)
    server.resume()
    expect(server.suspended).toBe(false)
    await server.close()
    server.suspend()
    expect(server.suspended).toBe(false)
  })
})

describe('who was taken in before', () => {
  it('is handed over while the server is suspended: where it waits in memory', async () => {
    const server = await tcp({ backend: 'node' })
    const clients = await clientsOf(server, 3)
    while (server.stats().waiting < 3) await turns()
    server.suspend()
    const seen: string[] = []
    for await (const request of server.requests({ closeOnReturn: false })) {
      seen.push(String(await request.rfile.readLine({ chomp: true })))
      const left = gone(request)
      await request.close()
      await left
      if (seen.length === 3) break
    }
    expect(seen).toEqual(['0', '1', '2'])
    for (const client of clients) await received(client)
  })
})
