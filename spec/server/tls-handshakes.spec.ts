import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect as connectTLS, type TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type AcceptedEvent,
  drain,
  type HandshakeEvent,
  parallel,
  pipe,
  type RefusedEvent,
  type Request,
  type StreamRequest,
  type TLSServer
} from '../../lib/index.ts'
import { overhear, settled } from '../support/events.ts'
import { dial, dialTLS, exchangeTLS, received, trusted } from '../support/peers.ts'
import { tls } from '../support/servers.ts'
import { printedDuring } from '../support/stderr.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const echo = parallel((request: Request) => pipe(request, request))
const forever = { handshakeTimeout: Number.POSITIVE_INFINITY }

/** A client that is connected and does not begin its handshake. */
async function stall(server: TLSServer): Promise<Socket> {
  const before = server.stats().accepted
  const client = await dial(server.address)
  client.on('error', () => {})
  onTestFinished(() => void client.destroy())
  while (server.stats().accepted === before) await new Promise((resolve) => setImmediate(resolve))
  return client
}

/** It begins after all. */
async function proceed(client: Socket): Promise<TLSSocket> {
  const secured = connectTLS({ ...trusted(), socket: client })
  await once(secured, 'secureConnect')
  return secured
}

/** The server has closed it. */
async function closed(socket: Socket): Promise<void> {
  socket.resume()
  if (socket.closed || socket.readableEnded) return
  await new Promise<void>((resolve) => {
    socket.on('end', resolve).on('close', () => resolve())
  })
}

describe('a handshake that fails', () => {
  const bad: Record<string, (server: TLSServer) => Promise<unknown>> = {
    'plain text': async (server) => {
      const client = await dial(server.address)
      client.end('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await received(client).catch(() => {})
    },
    'a client that trusts nobody': (server) => dialTLS(server.address, { ca: [] }).catch(() => {}),
    'a client of an old version': (server) =>
      dialTLS(server.address, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }).catch(() => {}),
    'a reset': async (server) => void (await stall(server)).resetAndDestroy(),
    'an end without a word': async (server) => {
      const client = await stall(server)
      client.end()
      await closed(client)
    },
    'an end in the middle of the first message': async (server) => {
      const client = await stall(server)
      client.end(Buffer.from([0x16, 3, 1, 2, 0, 1]))
      await closed(client)
    }
  }
  for (const [what, come] of Object.entries(bad)) {
    it(`is told of, and no end of the loop: ${what}`, async () => {
      using accepted = overhear<AcceptedEvent>('accepted')
      using refused = overhear<RefusedEvent>('refused')
      using ended = overhear<HandshakeEvent>('handshake')
      const printed = await printedDuring(async () => {
        const server = await tls({ minVersion: 'TLSv1.3', ...forever })
        const serving = drain(echo(server))
        await come(server)
        await ended.count(1)
        expect(await exchangeTLS(server.address, 'well')).toBe('well')
        await server.close()
        await serving
        expect(server.stats()).toMatchObject({ accepted: 2, refused: 1, served: 1, failed: 0 })
        expect(server.errors).toEqual([])
      })
      expect(printed).toBe('')
      const [failure, success] = ended.messages
      const { clientAddress } = accepted.messages[0] as AcceptedEvent
      expect(refused.messages).toMatchObject([{ clientAddress, reason: 'handshake' }])
      expect(failure).toMatchObject({
        clientAddress,
        elapsed: expect.any(Number),
        error: { code: 'ERR_REQUEST_ABORTED', cause: 'handshake', origin: expect.any(Error) }
      })
      expect(failure?.error?.message).toMatch(/^The TLS handshake with 127\.0\.0\.1:\d+ failed: .+/)
      expect(success).toEqual({
        server: expect.anything(),
        clientAddress: expect.anything(),
        elapsed: expect.any(Number)
      })
    })
  }

  it('by its deadline is cut', async () => {
    using ended = overhear<HandshakeEvent>('handshake')
    const server = await tls({ handshakeTimeout: 50 })
    const loop = server.requests({ closeOnReturn: false })
    const request = loop.next()
    const client = await stall(server)
    // What comes now and then does not put the deadline off.
    const drip = setInterval(() => client.write(Buffer.from([0x16])), 10)
    await closed(client)
    clearInterval(drip)
    await ended.count(1)
    expect(ended.messages[0]?.error?.origin).toMatchObject({ message: expect.any(String) })
    expect(await settled(request)).toBe(false)
    expect(server.stats()).toMatchObject({ accepted: 1, refused: 1, waiting: 0 })
  })
})

describe('handshakes', () => {
  it('go on while the only permit is taken', async () => {
    const server = await tls()
    let letGo: (() => void) | undefined
    const serving = drain(
      parallel(
        async (request: StreamRequest) => {
          await new Promise<void>((resolve) => {
            letGo = resolve
          })
          await request.wfile.write('served')
        },
        { limit: 1 }
      )(server)
    )
    const clients = [await dialTLS(server.address), await dialTLS(server.address), await dialTLS(server.address)]
    // The third is secured, and waits.
    while (server.stats().waiting < 2) await new Promise((resolve) => setImmediate(resolve))
    expect(server.stats()).toMatchObject({ open: 1, waiting: 2 })
    for (const client of clients) {
      while (letGo === undefined) await new Promise((resolve) => setImmediate(resolve))
      const go = letGo
      letGo = undefined
      go()
      expect((await received(client)).toString()).toBe('served')
    }
    await server.close()
    await serving
  })

  it('past maxHandshakes wait, unread, until one has ended', async () => {
    const server = await tls({ backend: 'node', maxHandshakes: 2, ...forever })
    const serving = drain(echo(server))
    const [first] = [await stall(server), await stall(server)]
    const third = dial(server.address).then(proceed)
    while (server.stats().accepted < 3) await new Promise((resolve) => setImmediate(resolve))
    expect(server.stats()).toMatchObject({ waiting: 3, refused: 0 })
    first.destroy()
    const secured = await third
    secured.end('in')
    expect((await received(secured)).toString()).toBe('in')
    await server.close({ deadline: 0 })
    await serving
  })

  it('that stall at the bound give their place to those who come, the oldest first', async () => {
    using ended = overhear<HandshakeEvent>('handshake')
    const server = await tls({ maxHandshakes: 2, ...forever })
    const serving = drain(echo(server))
    const [first, second] = [await stall(server), await stall(server)]
    expect(await exchangeTLS(server.address, 'one')).toBe('one')
    await closed(first)
    expect(second.destroyed).toBe(false)
    expect(ended.messages[0]?.error?.message).toContain('maxHandshakes is 2')
    const late = await proceed(second)
    late.end('slow and honest')
    expect((await received(late)).toString()).toBe('slow and honest')
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 3, refused: 1, served: 2 })
  })

  it('that are done, and that nobody takes, are bounded by maxPending', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await tls({ maxPending: 1 })
    const first = await dialTLS(server.address)
    const second = await dialTLS(server.address)
    await closed(second)
    expect(refused.messages).toMatchObject([{ reason: 'pending' }])
    const outcome = server.handleRequest((request: StreamRequest) => pipe(request, request))
    first.end('first')
    expect((await received(first)).toString()).toBe('first')
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
    expect(server.stats()).toMatchObject({ accepted: 2, refused: 1, waiting: 0 })
  })

  it('of 5,000 clients that stall do not keep others out', async () => {
    const server = await tls(forever)
    const serving = drain(echo(server))
    // In waves, so that the backlog of the kernel does not overflow; half of them begin, and go no further.
    const script = `
      const { connect } = require('node:net')
      const stall = (begun) => new Promise((resolve) => {
        const socket = connect(${server.address.port}, '127.0.0.1', resolve).on('error', () => {})
        if (begun) socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]))
      })
      const wave = async () => {
        for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 50 }, (_, n) => stall(n % 2 === 0)))
        process.send('there')
      }
      process.on('message', wave)
    `
    const crowd = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const died = once(crowd, 'exit')
    for (let wave = 1; wave <= 10; wave++) {
      crowd.send('come')
      await once(crowd, 'message')
      expect(await exchangeTLS(server.address, `client ${wave}`)).toBe(`client ${wave}`)
      expect(server.stats()).toMatchObject({ refused: 0, waiting: wave * 500 })
    }
    crowd.kill()
    await died
    await server.close({ deadline: 0 })
    await serving
    expect(server.stats()).toMatchObject({
      accepted: 5_010,
      refused: 5_000,
      served: 10,
      failed: 0,
      waiting: 0,
      open: 0
    })
    expect(server.errors).toEqual([])
  })
})

describe('closing', () => {
  it('lets handshakes finish, and serves them', async () => {
    const server = await tls()
    const serving = drain(echo(server))
    const client = await stall(server)
    const report = server.close()
    expect(await settled(report)).toBe(false)
    const secured = await proceed(client)
    secured.end('the last')
    expect((await received(secured)).toString()).toBe('the last')
    expect(await report).toEqual({ finished: 1, aborted: 0, refused: 0, stillOpen: [] })
    await serving
  })

  it('serves those who are secured and wait', async () => {
    const server = await tls()
    const clients = [await dialTLS(server.address), await dialTLS(server.address)]
    while (server.stats().waiting < 2) await new Promise((resolve) => setImmediate(resolve))
    const serving = drain(parallel((request: Request) => pipe(request, request), { limit: 1 })(server))
    const report = server.close()
    for (const client of clients) {
      client.end('waited')
      expect((await received(client)).toString()).toBe('waited')
    }
    expect(await report).toMatchObject({ finished: 2, refused: 0 })
    await serving
  })

  it('ends with the deadline of a handshake that stalls', async () => {
    const server = await tls({ handshakeTimeout: 50 })
    const serving = drain(echo(server))
    await stall(server)
    expect(await server.close()).toEqual({ finished: 0, aborted: 0, refused: 1, stillOpen: [] })
    await serving
  })

  it('ends at its own deadline where that comes first', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await tls(forever)
    const serving = drain(echo(server))
    const client = await stall(server)
    expect(await server.close({ deadline: 20 })).toMatchObject({ aborted: 0, refused: 1 })
    await serving
    await closed(client)
    expect(refused.messages).toMatchObject([{ reason: 'closing' }])
  })

  it('refuses handshakes and those who wait where no loop runs', async () => {
    const server = await tls({ backend: 'node', maxHandshakes: 1, ...forever })
    const waiting = await dialTLS(server.address)
    const clients = [await stall(server), await stall(server)]
    expect(server.stats()).toMatchObject({ waiting: 3 })
    expect(await server.close()).toMatchObject({ finished: 0, refused: 3 })
    for (const client of [waiting, ...clients]) await closed(client)
  })

  it('by leaving a loop does that too', async () => {
    const server = await tls(forever)
    const stalled = await stall(server)
    const client = dialTLS(server.address)
    for await (const request of server) {
      await request.close()
      break
    }
    expect(await server.closed).toMatchObject({ refused: 1 })
    await closed(stalled)
    ;(await client).destroy()
  })

  it('before anybody has come is at once', async () => {
    const server = await tls()
    const serving = drain(echo(server))
    expect(await server.close()).toEqual({ finished: 0, aborted: 0, refused: 0, stillOpen: [] })
    await serving
    expect(await server.closed).toMatchObject({ refused: 0 })
  })
})
