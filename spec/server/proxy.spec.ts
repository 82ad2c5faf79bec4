import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type AcceptedEvent,
  type Address,
  type BaseServer,
  drain,
  formatAddress,
  NotSupportedError,
  type ProxyEvent,
  type ProxyProtocolOptions,
  parallel,
  pipe,
  type RefusedEvent,
  type Request,
  type StreamRequest,
  TCPServer,
  TLSServer,
  UnixStreamServer
} from '../../lib/index.ts'
import { overhear, settled } from '../support/events.ts'
import { certificates, dial, exchange, received, temporaryPath } from '../support/peers.ts'
import { closed, exchangeProxied, exchangeProxiedTLS, sendings } from '../support/proxy-clients.ts'
import { binary, line, path, tlv } from '../support/proxy-headers.ts'
import { type Quieted, quiet } from '../support/quiet.ts'
import { backends } from '../support/server-subjects.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

type Backend = (typeof backends)[number]
type Server = Quieted<BaseServer<StreamRequest>> & { readonly address: Address }
type Options = Partial<ProxyProtocolOptions>

const everybody = ['127.0.0.1', '::1']
const forever = { timeout: Number.POSITIVE_INFINITY }

async function started<S extends BaseServer<StreamRequest>>(server: S): Promise<Quieted<S>> {
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
  })
  const quieted = quiet(server)
  await quieted.listen()
  return quieted
}

function tcp(options: Options = {}, backend: Backend = 'native', host = '127.0.0.1'): Promise<Quieted<TCPServer>> {
  return started(new TCPServer({ host, backend, proxyProtocol: { trust: everybody, ...options } }))
}

const places = {
  'TCP over IPv4': { make: tcp, ask: exchangeProxied },
  'TCP over IPv6': {
    make: (options: Options, backend: Backend) => tcp(options, backend, '::1'),
    ask: exchangeProxied
  },
  'TCP over both': {
    make: (options: Options, backend: Backend) => tcp(options, backend, '::'),
    ask: (address: Address, ...rest: Rest) => exchangeProxied({ ...address, host: '127.0.0.1' } as Address, ...rest)
  },
  Unix: {
    make: (options: Options, backend: Backend) =>
      started(
        new UnixStreamServer({ path: temporaryPath(), backend, proxyProtocol: { trust: ['unix:'], ...options } })
      ),
    ask: exchangeProxied
  },
  TLS: {
    make: (options: Options, backend: Backend) =>
      started(new TLSServer({ ...certificates(), backend, proxyProtocol: { trust: everybody, ...options } })),
    ask: exchangeProxiedTLS
  }
} satisfies Record<
  string,
  { make: (options: Options, backend: Backend) => Promise<Server>; ask: typeof exchangeProxied }
>

type Rest = typeof exchangeProxied extends (address: Address, ...rest: infer R) => unknown ? R : never

/** What a handler sees. */
async function facts(request: StreamRequest): Promise<void> {
  const { clientAddress, proxy, rfile, wfile } = request
  const words = [formatAddress(clientAddress), proxy?.version, proxy?.command, formatAddress(proxy?.destination)]
  await wfile.write(`${words.join(' ')} ${String(await rfile.readAll())}`)
}

const serveFacts = parallel(facts)
const echo = parallel((request: Request) => pipe(request, request))

/** A client that is connected, has been accepted, and has sent this so far. */
async function stall(server: Server, sent: Buffer | string = ''): Promise<Socket> {
  const before = server.stats().accepted
  const client = await dial(server.address)
  client.on('error', () => {})
  onTestFinished(() => void client.destroy())
  if (sent.length > 0) client.write(sent)
  while (server.stats().accepted === before) await turns()
  return client
}

const v6 = Buffer.from(`20010db8${'0'.repeat(23)}1${'0'.repeat(31)}1126701bb`, 'hex')
const paths = Buffer.concat([path('/run/client'), path('/run/service')])

describe.for(backends)('a PROXY header (%s)', (backend) => {
  describe.for(Object.keys(places) as (keyof typeof places)[])('over %s', (place) => {
    const { make, ask } = places[place]

    it.for(sendings)('says where the client is: sent %s', async (sending) => {
      const server = await make({}, backend)
      const serving = drain(serveFacts(server))
      const said = async (header: Buffer | string): Promise<string> => ask(server.address, header, 'hello', sending)
      expect(await said(line)).toBe('192.0.2.7:4711 1 PROXY 198.51.100.1:443 hello')
      expect(await said(binary({ summed: true }))).toBe('192.0.2.7:4711 2 PROXY 198.51.100.1:443 hello')
      expect(await said('PROXY TCP6 2001:db8::1 ::1 4711 443\r\n')).toBe('[2001:db8::1]:4711 1 PROXY [::1]:443 hello')
      expect(await said(binary({ family: 0x21, block: v6 }))).toBe('[2001:db8::1]:4711 2 PROXY [::1]:443 hello')
      expect(await said(binary({ family: 0x31, block: paths }))).toBe('/run/client 2 PROXY /run/service hello')
      await server.close()
      await serving
      expect(server.stats()).toMatchObject({ accepted: 5, refused: 0, served: 5, waiting: 0, open: 0 })
      expect(server.errors).toEqual([])
    })

    it('of the proxy itself, and one that says nothing, leave the address as it is', async () => {
      using proxied = overhear<ProxyEvent>('proxy')
      const server = await make({}, backend)
      const serving = drain(serveFacts(server))
      const headers = ['PROXY UNKNOWN\r\n', binary({ command: 0x20 }), binary({ family: 0, block: Buffer.alloc(0) })]
      const commands = ['1 PROXY', '2 LOCAL', '2 PROXY']
      for (const [i, header] of headers.entries()) {
        const answer = await ask(server.address, header, 'hello')
        const its = formatAddress(proxied.messages[i]?.proxyAddress)
        expect(answer).toBe(`${its} ${commands[i]} (no address) hello`)
        expect(its).toMatch(place === 'Unix' ? /^unix:/ : /^(127\.0\.0\.1|\[::1\]|\[::ffff:127\.0\.0\.1\]):\d+$/)
      }
      await server.close()
      await serving
    })

    const bad: Record<string, [reason: string, options: Options, come: (server: Server) => Promise<Socket>]> = {
      'from somebody else': ['untrusted', { trust: ['192.0.2.1', 'unix:'] }, (server) => stall(server, line)],
      'that is none': ['malformed', forever, (server) => stall(server, 'GET / HTTP/1.1\r\n\r\n')],
      'that is wrong in the end': ['malformed', forever, (server) => stall(server, line.replace('443', '0443'))],
      'with a wrong sum': ['malformed', forever, (server) => stall(server, binary({ tlvs: [tlv(3, 'none')] }))],
      'that is longer than the limit': [
        'malformed',
        { ...forever, maxHeaderLength: 300 },
        (server) => stall(server, binary({ tlvs: [tlv(0xe0, Buffer.alloc(300))] }).subarray(0, 20))
      ],
      'that does not come': ['timeout', { timeout: 50 }, (server) => stall(server)],
      'that does not come to its end in time': [
        'timeout',
        { timeout: 50 },
        async (server) => {
          const client = await stall(server, line.slice(0, 10))
          // What comes now and then does not put the end off.
          const drip = setInterval(() => client.write('1'), 10)
          await closed(client)
          clearInterval(drip)
          return client
        }
      ],
      'that ends too early': [
        'peer-gone',
        forever,
        async (server) => (await stall(server, binary().subarray(0, 20))).end()
      ],
      'that ends before it begins': ['peer-gone', forever, async (server) => (await stall(server)).end()],
      ...(place !== 'Unix' && {
        'that is cut off by a reset': [
          'peer-gone',
          forever,
          async (server) => (await stall(server, line.slice(0, 20))).resetAndDestroy()
        ]
      })
    }
    for (const [what, [reason, options, come]] of Object.entries(bad)) {
      if (what === 'from somebody else' && place === 'Unix') continue
      it(`is refused: one ${what}`, async () => {
        using accepted = overhear<AcceptedEvent>('accepted')
        using refused = overhear<RefusedEvent>('refused')
        using proxied = overhear<ProxyEvent>('proxy')
        const server = await make(options, backend)
        const serving = drain(serveFacts(server))
        const client = await come(server)
        await closed(client)
        await proxied.count(1)
        const { clientAddress } = accepted.messages[0] as AcceptedEvent
        expect(proxied.messages).toMatchObject([
          { proxyAddress: clientAddress, elapsed: expect.any(Number), error: { code: 'ERR_PROXY_PROTOCOL', reason } }
        ])
        expect(refused.messages).toEqual([{ server, clientAddress, reason: 'proxy' }])
        expect(server.stats()).toMatchObject({ accepted: 1, refused: 1, served: 0, failed: 0, waiting: 0 })
        if (!('trust' in options)) expect(await ask(server.address, line, 'next')).toMatch(/ next$/)
        await server.close()
        await serving
        expect(server.errors).toEqual([])
      })
    }

    it('is all that is read: the connection can be detached, with what has come behind it', async () => {
      if (place === 'TLS') return
      const server = await make({}, backend)
      const outcome = server.handleRequest((request) => {
        expect([request.bytesIn, request.bytesOut]).toEqual([0, 0])
        const socket = request.detach()
        socket.on('data', (chunk: Buffer) => socket.write(String(chunk).toUpperCase()))
        socket.on('end', () => socket.end())
        socket.resume()
      })
      expect(await ask(server.address, line, 'behind it')).toBe('BEHIND IT')
      expect(await outcome).toMatchObject({ status: 'fulfilled' })
    })

    it('is enough for a server that speaks first', async () => {
      if (place === 'TLS') return
      const server = await make({}, backend)
      const outcome = server.handleRequest(async (request) => {
        await request.wfile.write('220 hello\r\n')
        await request.wfile.write(String(await request.rfile.readAll()))
      })
      const client = await dial(server.address)
      client.write(line)
      const [hello] = (await once(client, 'data')) as [Buffer]
      expect(String(hello)).toBe('220 hello\r\n')
      client.end('quit')
      expect(String(await received(client))).toBe('quit')
      expect(await outcome).toMatchObject({ status: 'fulfilled' })
    })
  })

  it('goes before the handshake of STARTTLS as well', async () => {
    const options = certificates()
    const server = await tcp({}, backend)
    const outcome = server.handleRequest(async (request) => {
      await request.startTLS(options)
      await facts(request)
    })
    expect(await exchangeProxiedTLS(server.address, line, 'secret')).toBe(
      '192.0.2.7:4711 1 PROXY 198.51.100.1:443 secret'
    )
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
  })

  it('that is slow holds up nobody: who is ready comes first', async () => {
    const server = await tcp(forever, backend)
    const loop = server.requests()
    const first = loop.next()
    const slow = await stall(server, line.slice(0, 30))
    const fast = await stall(server, line.replace('4711', '1'))
    expect((await first).value?.clientAddress).toMatchObject({ port: 1 })
    expect(server.stats()).toMatchObject({ open: 1, waiting: 1 })
    const second = loop.next()
    slow.write(line.slice(30))
    expect((await second).value?.clientAddress).toMatchObject({ port: 4_711 })
    fast.destroy()
    await loop.return?.()
  })

  it('is awaited of 1,000 connections that stall while others are served', async () => {
    const server = await tcp(forever, backend)
    const serving = drain(serveFacts(server))
    const script = `
      const { connect } = require('node:net')
      const parts = ['', 'P', 'PROXY TCP4 192.0.2.7 ', '\\r\\n\\r\\n\\0\\r\\nQUIT\\n\\x21']
      const stall = (part) => new Promise((resolve) => {
        const socket = connect(${server.address.port}, '127.0.0.1', () => resolve()).on('error', () => {})
        if (part !== '') socket.write(part)
      })
      process.on('message', async () => {
        for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 50 }, (_, n) => stall(parts[n % 4])))
        process.send('there')
      })
    `
    const crowd = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const died = once(crowd, 'exit')
    for (let wave = 1; wave <= 4; wave++) {
      crowd.send('come')
      await once(crowd, 'message')
      expect(await exchangeProxied(server.address, line, `wave ${wave}`)).toMatch(/^192.0.2.7:4711 .* wave \d$/)
      expect(server.stats()).toMatchObject({ refused: 0, waiting: wave * 250 })
    }
    crowd.kill()
    await died
    while (server.stats().waiting > 0) await turns()
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 1_004, refused: 1_000, served: 4, failed: 0, open: 0 })
    expect(server.errors).toEqual([])
  })

  it('past maxConcurrent is not read, until one has come', async () => {
    const server = await tcp({ ...forever, maxConcurrent: 2 }, backend)
    const serving = drain(serveFacts(server))
    const [first, second] = [await stall(server), await stall(server)]
    const third = exchangeProxied(server.address, line, 'third')
    expect(await settled(third)).toBe(false)
    first.end(`${line}first`)
    expect(String(await received(first))).toMatch(/first$/)
    expect(await third).toMatch(/third$/)
    second.end(line)
    expect(String(await received(second))).toMatch(/443 $/)
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 3, refused: 0, served: 3 })
  })

  it('that is awaited for longest gives its place to those who come', async () => {
    using proxied = overhear<ProxyEvent>('proxy')
    const server = await tcp({ ...forever, maxConcurrent: 2 }, backend)
    const serving = drain(serveFacts(server))
    const [first, second] = [await stall(server, 'PROXY'), await stall(server)]
    expect(await exchangeProxied(server.address, line, 'third')).toMatch(/third$/)
    await closed(first)
    expect(proxied.messages[0]?.error).toMatchObject({
      reason: 'room',
      message: 'Cannot read the PROXY header: it had to make room (maxConcurrent is 2)'
    })
    second.end(`${line}slow and honest`)
    expect(String(await received(second))).toMatch(/slow and honest$/)
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 3, refused: 1, served: 2 })
  })

  it('leaves what nobody asks for where it is', async () => {
    const server = await tcp(forever, backend)
    const answers = ['a', 'b', 'c'].map((input) => exchangeProxied(server.address, line, input))
    for (let i = 0; i < 3; i++) {
      expect(await server.handleRequest(facts)).toMatchObject({ status: 'fulfilled' })
    }
    expect(await Promise.all(answers)).toHaveLength(3)
    expect(server.stats()).toMatchObject({ accepted: 3, served: 3, waiting: 0 })
  })

  it('is not looked for where it was not asked for', async () => {
    const server = await started(new TCPServer({ host: '127.0.0.1', backend }))
    const outcome = server.handleRequest(facts)
    expect(await exchange(server.address, line)).toMatch(/^127\.0\.0\.1:\d+ {2} {1}\(no address\) PROXY TCP4 /)
    expect((await outcome)?.request.proxy).toBe(undefined)
  })

  describe('of a server that closes', () => {
    it('is still awaited, and its connection served', async () => {
      const server = await tcp({}, backend)
      const serving = drain(serveFacts(server))
      const client = await stall(server, line.slice(0, 7))
      const report = server.close()
      expect(await settled(report)).toBe(false)
      client.end(`${line.slice(7)}the last`)
      expect(String(await received(client))).toMatch(/the last$/)
      expect(await report).toEqual({ finished: 1, aborted: 0, refused: 0, stillOpen: [] })
      await serving
    })

    it('ends with its time', async () => {
      const server = await tcp({ timeout: 50 }, backend)
      const serving = drain(serveFacts(server))
      await stall(server)
      expect(await server.close()).toEqual({ finished: 0, aborted: 0, refused: 1, stillOpen: [] })
      await serving
    })

    it('ends with the deadline where that comes first', async () => {
      using refused = overhear<RefusedEvent>('refused')
      const server = await tcp(forever, backend)
      const serving = drain(serveFacts(server))
      const client = await stall(server, line.slice(0, 7))
      expect(await server.close({ deadline: 20 })).toMatchObject({ aborted: 0, refused: 1 })
      await serving
      await closed(client)
      expect(refused.messages).toMatchObject([{ reason: 'closing' }])
    })

    it('counts for nothing where no loop runs', async () => {
      const server = await tcp(forever, backend)
      const loop = server.requests({ closeOnReturn: false })
      const parked = loop.next()
      const clients = [await stall(server), await stall(server), await stall(server, line)]
      await parked.then(({ value }) => value?.close())
      // Somebody waits, and then nobody does: what comes is kept for others.
      const another = loop.next()
      await loop.return?.()
      expect(await another).toMatchObject({ done: true })
      clients[0]?.write(line)
      while (server.stats().waiting !== 2) await turns()
      expect(await server.close()).toMatchObject({ refused: 2 })
      for (const client of clients) await closed(client)
    })

    it('ends when a loop is left', async () => {
      const server = await tcp(forever, backend)
      const client = dial(server.address).then((socket) => socket.end(line))
      const stalled = dial(server.address)
      for await (const request of server) {
        await request.close()
        break
      }
      await server.closed
      await closed(await stalled)
      await closed(await client)
    })
  })
})

describe('behind a proxy', () => {
  it('no socket of Node is made of a connection', async () => {
    const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
    const server = await tcp()
    const before = sockets()
    const serving = drain(echo(server))
    const clients = await Promise.all(Array.from({ length: 5 }, () => dial(server.address)))
    for (const client of clients) {
      client.write(`${line}ping`)
      await once(client, 'data')
    }
    expect(sockets() - before).toBe(clients.length)
    for (const client of clients) client.destroy()
    await server.close()
    await serving
  })

  it('the credentials are those of whoever has connected', async () => {
    const at = temporaryPath()
    const unix = await started(
      new UnixStreamServer({ path: at, backend: 'native', proxyProtocol: { trust: ['unix:'] } })
    )
    const outcome = unix.handleRequest((request) => request.wfile.write(String(request.peerCredentials?.pid)))
    expect(await exchangeProxied(unix.address, line, '')).toBe(String(process.pid))
    await outcome
    const over = await tcp()
    const other = over.handleRequest((request) => request.wfile.write(String(request.peerCredentials?.pid)))
    expect(await exchangeProxied(over.address, binary({ family: 0x31, block: paths }), '')).toBe('undefined')
    await other
    const node = await started(
      new UnixStreamServer({ path: temporaryPath(), backend: 'node', proxyProtocol: { trust: ['unix:'] } })
    )
    const last = node.handleRequest((request) => request.peerCredentials)
    await exchangeProxied(node.address, line, '').catch(() => {})
    expect(await last).toMatchObject({ status: 'rejected', reason: expect.any(NotSupportedError) })
  })

  it('verifyRequest sees the client', async () => {
    class Choosy extends TCPServer {
      override verifyRequest({ clientAddress }: StreamRequest): boolean {
        return formatAddress(clientAddress).startsWith('192.0.2.')
      }
    }
    using refused = overhear<RefusedEvent>('refused')
    const server = await started(new Choosy({ proxyProtocol: { trust: everybody } }))
    const serving = drain(serveFacts(server))
    expect(await exchangeProxied(server.address, line, 'in')).toMatch(/in$/)
    expect(await exchangeProxied(server.address, line.replace('192.0.2.7', '192.0.3.7'), 'out')).toBe('')
    expect(refused.messages).toMatchObject([{ clientAddress: { host: '192.0.3.7' }, reason: 'verify' }])
    await server.close()
    await serving
  })
})
