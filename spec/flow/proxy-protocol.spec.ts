import { createSocket } from 'node:dgram'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, expectTypeOf, it, onTestFinished } from 'vitest'
import {
  type Address,
  drain,
  formatAddress,
  MessageRequest,
  merge,
  type ProxyEvent,
  parallel,
  pipe,
  proxyProtocol,
  type RefusedEvent,
  type Request,
  type Settlement,
  type Stage,
  type StreamRequest,
  sequential,
  verify
} from '../../lib/index.ts'
import { MemoryServer } from '../../lib/testing/entry.ts'
import { overhear, settled } from '../support/events.ts'
import { dial, exchangeTLS, received } from '../support/peers.ts'
import { closed, exchangeProxied, sendings } from '../support/proxy-clients.ts'
import { binary, line } from '../support/proxy-headers.ts'
import { QuietTCPServer } from '../support/quiet.ts'
import { backends } from '../support/server-subjects.ts'
import { tcp, tls, udp, unix } from '../support/servers.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const local = { trust: ['127.0.0.1'] }
const forever = { ...local, timeout: Number.POSITIVE_INFINITY }

async function facts({ clientAddress, proxy, rfile, wfile }: StreamRequest): Promise<void> {
  await wfile.write(`${formatAddress(clientAddress)} ${proxy?.version} ${String(await rfile.readAll())}`)
}

/** A client that is connected, and has sent this so far. */
async function come(address: Address, sent: Buffer | string = ''): Promise<Socket> {
  const client = await dial(address)
  client.on('error', () => {})
  onTestFinished(() => void client.destroy())
  if (sent.length > 0) client.write(sent)
  return client
}

describe.for(backends)('proxyProtocol over TCP (%s)', (backend) => {
  it.for(sendings)('says where the client is: sent %s', async (sending) => {
    const server = await tcp({ backend })
    const serving = pipe(server, proxyProtocol(local), parallel(facts), drain)
    expect(await exchangeProxied(server.address, line, 'hello', sending)).toBe('192.0.2.7:4711 1 hello')
    expect(await exchangeProxied(server.address, binary(), 'hello', sending)).toBe('192.0.2.7:4711 2 hello')
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 2, served: 2, refused: 0, open: 0 })
  })

  it('reads many headers at once, and gives them as they come; a later stage sees the client', async () => {
    const server = await tcp({ backend })
    const isClient = verify(({ clientAddress }: StreamRequest) => formatAddress(clientAddress).startsWith('192.0.2.'))
    const serving = pipe(server, proxyProtocol(forever), isClient, parallel(facts, { limit: 1 }), drain)
    const slow = await Promise.all(Array.from({ length: 20 }, () => come(server.address, line.slice(0, 20))))
    while (server.stats().open < slow.length) await turns()
    expect(await exchangeProxied(server.address, line, 'fast')).toBe('192.0.2.7:4711 1 fast')
    for (const [i, client] of slow.reverse().entries()) {
      client.end(`${line.slice(20)}${i}`)
      expect(String(await received(client))).toBe(`192.0.2.7:4711 1 ${i}`)
    }
    await server.close()
    await serving
  })

  it('closes those at once that have none, and counts them', async () => {
    using refused = overhear<RefusedEvent>('refused')
    using proxied = overhear<ProxyEvent>('proxy')
    const closings: Settlement['status'][] = []
    class Hooked extends QuietTCPServer {
      override closeRequest(request: StreamRequest, outcome: Settlement): void | Promise<void> {
        closings.push(outcome.status)
        return super.closeRequest(request, outcome)
      }
    }
    const server = await new Hooked({ host: '127.0.0.1', backend }).listen()
    const seen: StreamRequest[] = []
    const see = verify((request: StreamRequest) => seen.push(request) > 0)
    const serving = pipe(server, see, proxyProtocol({ ...local, timeout: 50 }), parallel(facts), drain)
    const clients = [await come(server.address, 'GET / HTTP/1.1\r\n\r\n'), await come(server.address)]
    clients.push((await come(server.address, line.slice(0, 9))).end())
    for (const client of clients) await closed(client)
    const reset = await come(server.address, line.slice(0, 9))
    while (server.stats().accepted < 4) await turns()
    reset.resetAndDestroy()
    await proxied.count(4)
    const reasons = proxied.messages.map(({ error }) => error?.reason)
    expect(reasons.sort()).toEqual(['malformed', 'peer-gone', 'peer-gone', 'timeout'])
    while (server.stats().open > 0) await turns()
    // Nothing was sent, and nobody was waited for.
    for (const { abortReason, bytesOut } of seen) {
      expect([bytesOut, abortReason]).toEqual([0, expect.objectContaining({ code: 'ERR_REQUEST_ABORTED' })])
    }
    expect(refused.messages.map(({ reason }) => reason)).toEqual(['proxy', 'proxy', 'proxy', 'proxy'])
    expect(await exchangeProxied(server.address, line, 'next')).toMatch(/next$/)
    expect(await server.close()).toMatchObject({ aborted: 0, refused: 0 })
    await serving
    expect(closings).toEqual(['aborted', 'aborted', 'aborted', 'aborted', 'fulfilled'])
    expect(server.stats()).toMatchObject({ accepted: 5, served: 1, refused: 4, failed: 0 })
    expect(server.errors).toEqual([])
  })

  it('trusts nobody else', async () => {
    using proxied = overhear<ProxyEvent>('proxy')
    const server = await tcp({ backend })
    const serving = pipe(server, proxyProtocol({ trust: ['192.0.2.0/24', '::1'] }), parallel(facts), drain)
    const client = await come(server.address, line)
    await closed(client)
    await proxied.count(1)
    expect(proxied.messages[0]?.error).toMatchObject({ reason: 'untrusted' })
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ refused: 1, served: 0 })
  })

  it('past maxConcurrent pulls no more, until the oldest has had its time', async () => {
    using proxied = overhear<ProxyEvent>('proxy')
    const server = await tcp({ backend })
    const serving = pipe(server, proxyProtocol({ ...forever, maxConcurrent: 2 }), parallel(facts), drain)
    const first = await come(server.address)
    while (server.stats().open < 1) await turns()
    const second = await come(server.address)
    while (server.stats().open < 2) await turns()
    const third = exchangeProxied(server.address, line, 'third')
    await turns(5)
    expect(server.stats().open).toBe(2)
    expect(await third).toBe('192.0.2.7:4711 1 third')
    await closed(first)
    expect(proxied.messages[0]?.error).toMatchObject({ reason: 'room' })
    second.end(`${line}second`)
    expect(String(await received(second))).toMatch(/second$/)
    await server.close()
    await serving
  })

  it('is left: those in the middle, and those who are ready, are refused', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await tcp({ backend })
    const requests = proxyProtocol(forever)(server)
    const first = requests.next()
    const middle = await come(server.address, line.slice(0, 10))
    while (server.stats().open < 1) await turns()
    const slow = await come(server.address, line.slice(0, 10))
    while (server.stats().open < 2) await turns()
    const client = await come(server.address, line)
    const { value } = await first
    slow.write(line.slice(10))
    // It is ready, and nobody asks for it.
    const ready = overhear<ProxyEvent>('proxy')
    await ready.count(1)
    ready[Symbol.dispose]()
    const parked = requests.next()
    expect(await parked).toMatchObject({ done: false })
    const other = requests.next()
    expect(await settled(other)).toBe(false)
    expect(await requests.return?.()).toEqual({ done: true, value: undefined })
    expect(await other).toEqual({ done: true, value: undefined })
    expect(await requests.next()).toEqual({ done: true, value: undefined })
    await closed(middle)
    expect(refused.messages).toMatchObject([{ reason: 'closing' }])
    await value?.close()
    await (await parked).value?.close()
    await closed(client)
    expect(await server.closed).toMatchObject({ aborted: 0 })
  })

  it('serves those whose header is awaited when the server closes', async () => {
    const server = await tcp({ backend })
    const serving = pipe(server, proxyProtocol(local), parallel(facts), drain)
    const client = await come(server.address, line.slice(0, 10))
    while (server.stats().open < 1) await turns()
    const report = server.close()
    expect(await settled(report)).toBe(false)
    client.end(`${line.slice(10)}the last`)
    expect(String(await received(client))).toMatch(/the last$/)
    expect(await report).toEqual({ finished: 1, aborted: 0, refused: 0, stillOpen: [] })
    await serving
  })

  it('is cut by the deadline of the server, which names them, once', async () => {
    const server = await tcp({ backend })
    const serving = pipe(server, proxyProtocol(forever), parallel(facts), drain)
    const client = await come(server.address, line.slice(0, 10))
    while (server.stats().open < 1) await turns()
    expect(await server.close({ deadline: 10 })).toMatchObject({ finished: 0, aborted: 1, refused: 0 })
    await closed(client)
    await serving
  })

  it('leaves alone what somebody aborts or closes meanwhile', async () => {
    const seen: StreamRequest[] = []
    const server = await tcp({ backend })
    const peek = verify((request: StreamRequest) => seen.push(request) > 0)
    const serving = pipe(server, peek, proxyProtocol(forever), parallel(facts), drain)
    const clients = [await come(server.address, line.slice(0, 10)), await come(server.address, line.slice(0, 10))]
    while (seen.length < 2) await turns()
    await turns(3)
    const [first, second] = seen
    expect(() => first?.detach()).toThrow(/was read or written already/)
    await expect(first?.startTLS({})).rejects.toThrow('its PROXY header is awaited')
    const read = first?.rfile.readLine()
    first?.abort(new Error('enough'))
    await expect(read).rejects.toThrow('enough')
    await second?.close().catch(() => {})
    for (const client of clients) await closed(client)
    expect(await exchangeProxied(server.address, line, 'next')).toMatch(/next$/)
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 3, served: 1, failed: 0, open: 0 })
  })

  it('gives a read that has begun meanwhile what is behind the header', async () => {
    const server = await tcp({ backend })
    let early: Promise<Buffer | undefined> | undefined
    const requests = proxyProtocol(forever)(
      (async function* () {
        for await (const request of server) {
          setImmediate(() => {
            early = request.rfile.readLine()
          })
          yield request
        }
      })()
    )
    const first = requests.next()
    const client = await come(server.address)
    while (early === undefined) await turns()
    client.write(`${line}mine\n`)
    const { value } = await first
    expect(String(await early)).toBe('mine\n')
    await value?.close()
    await requests.return?.()
    await server.close()
  })
})

describe('proxyProtocol', () => {
  it('goes over servers of several kinds', async () => {
    const servers = [await tcp(), await unix()] as const
    const serving = pipe(merge(...servers), proxyProtocol({ trust: ['127.0.0.1', 'unix:'] }), parallel(facts), drain)
    for (const server of servers) {
      expect(await exchangeProxied(server.address, line, 'hello')).toBe('192.0.2.7:4711 1 hello')
    }
    for (const server of servers) await server.close()
    await serving
  })

  it('finds the header within TLS, where that is what it goes over', async () => {
    const server = await tls()
    const serving = pipe(server, proxyProtocol(local), parallel(facts), drain)
    expect(await exchangeTLS(server.address, `${line}secret`)).toBe('192.0.2.7:4711 1 secret')
    await server.close()
    await serving
  })

  it('goes over a server in memory', async () => {
    const server = await new MemoryServer().listen()
    const serving = pipe(server, proxyProtocol({ trust: ['0.0.0.0/0', '::/0', 'unix:'] }), sequential(facts), drain)
    const [client, wrong] = [server.connect(), server.connect()]
    wrong.write('what')
    client.end(`${line}hello`)
    expect(await text(client)).toBe('192.0.2.7:4711 1 hello')
    await closed(wrong as Socket)
    await server.close()
    await serving
  })

  it('is for connections: others are refused, and noted', async () => {
    const server = await udp()
    const requests = proxyProtocol(local)(server as unknown as AsyncIterable<StreamRequest>)
    const first = requests.next()
    const client = createSocket('udp4')
    client.send('hello', server.address.port, server.address.host)
    while (server.errors.length === 0) await turns()
    client.close()
    expect(server.errors).toMatchObject([{ message: expect.stringMatching(/^proxyProtocol takes connections: got /) }])
    await server.close()
    expect(await first).toEqual({ done: true, value: undefined })
    expect(server.stats()).toMatchObject({ refused: 1 })
  })

  it('refuses, and notes, a connection that was read already', async () => {
    const server = await tcp()
    const read = verify(async (request: StreamRequest) => (await request.rfile.peek(5)).length === 5)
    const serving = pipe(server, read, proxyProtocol(local), parallel(facts), drain)
    const client = await come(server.address, line)
    await closed(client)
    expect(server.errors).toMatchObject([{ name: 'ProxyProtocolError', reason: 'busy' }])
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ refused: 1 })
  })

  it('ends with the error of its source, after those that it had brought', async () => {
    const server = await tcp()
    const requests = proxyProtocol(forever)(
      (async function* () {
        for await (const request of server) {
          yield request
          throw new Error('no more')
        }
      })()
    )
    const first = requests.next()
    const second = requests.next()
    const client = await come(server.address, line.slice(0, 10))
    while (server.stats().open < 1) await turns()
    await turns(3)
    client.write(line.slice(10))
    expect((await first).value?.clientAddress).toMatchObject({ host: '192.0.2.7' })
    await expect(second).rejects.toThrow('no more')
    expect(await requests.next()).toEqual({ done: true, value: undefined })
    await (await first).value?.close()
  })

  it('ends, whatever has been asked of it, when its source does', async () => {
    const none = proxyProtocol(local)([])
    const results = await Promise.all([none.next(), none.next(), none.next()])
    expect(results.every(({ done }) => done)).toBe(true)
    await expect(
      proxyProtocol(local)([new MessageRequest({ server: await tcp(), packet: 'x' })] as never).next()
    ).resolves.toMatchObject({ done: true })
    // A parked source never answers: leaving does not wait for it.
    const parked = proxyProtocol(local)({
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}), return: () => new Promise(() => {}) })
    })
    const asked = parked.next()
    expect(await parked.return?.()).toMatchObject({ done: true })
    expect(await asked).toMatchObject({ done: true })
  })

  it('is a stage of connections', () => {
    expectTypeOf(proxyProtocol(local)).toEqualTypeOf<Stage<StreamRequest, StreamRequest>>()
    expectTypeOf<StreamRequest>().toExtend<Request>()
  })
})
