import { once } from 'node:events'
import {
  type ConnectionOptions,
  connect as connectTLS,
  createSecureContext,
  type PeerCertificate,
  TLSSocket
} from 'node:tls'
import { describe, expect, it } from 'vitest'
import {
  drain,
  type HandshakeEvent,
  type InternetAddress,
  parallel,
  pipe,
  type RefusedEvent,
  type Request,
  type StreamRequest,
  TLSServer,
  type TLSServerOptions
} from '../../lib/index.ts'
import { authority, identity } from '../support/certificates.ts'
import { overhear } from '../support/events.ts'
import { certificates, dial, dialTLS, exchange, exchangeTLS, received, trusted } from '../support/peers.ts'
import { gone, tcp, tls } from '../support/servers.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const MiB = 1024 * 1024
const echo = parallel((request: Request) => pipe(request, request))

function take(server: TLSServer): Promise<StreamRequest> {
  return server
    .requests({ closeOnReturn: false })
    .next()
    .then(({ value }) => value as StreamRequest)
}

/** A client, and the request that it is to the server. */
async function meet(server: TLSServer, options?: ConnectionOptions): Promise<[TLSSocket, StreamRequest]> {
  return Promise.all([dialTLS(server.address, options), take(server)])
}

/** The name that the server's certificate is for. */
async function shownTo(address: InternetAddress, servername: string): Promise<string | string[] | undefined> {
  const client = await dialTLS(address, { servername, rejectUnauthorized: false })
  const { subject } = client.getPeerCertificate()
  client.end()
  await received(client)
  return subject.CN
}

describe('bytes over TLS', () => {
  it('come back', async () => {
    const server = await tls()
    const serving = drain(echo(server))
    const replies = ['one', 'two', 'three'].map((text) => exchangeTLS(server.address, text))
    expect(await Promise.all(replies)).toEqual(['one', 'two', 'three'])
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 3, served: 3, refused: 0, failed: 0, bytesIn: 11, bytesOut: 11 })
    expect(server.errors).toEqual([])
  })

  it('come back: 10 MiB, by each version', async () => {
    const server = await tls()
    const serving = drain(echo(server))
    const bytes = Buffer.alloc(10 * MiB)
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i, i)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = await dialTLS(server.address, { minVersion: version, maxVersion: version })
      client.end(bytes)
      expect(bytes.equals(await received(client))).toBe(true)
    }
    await server.close()
    await serving
  })

  it('reach a client that has ended before', async () => {
    const server = await tls()
    const outcome = server.handleRequest(async (request: StreamRequest) => {
      const input = await request.rfile.readAll()
      for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
      await request.wfile.write(`${input.length} bytes`)
    })
    expect(await exchangeTLS(server.address, Buffer.alloc(100_000))).toBe('100000 bytes')
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
  })

  it('reach a client that goes on sending: the close eats none of the reply', async () => {
    const server = await tls()
    const outcome = server.handleRequest(async (request: StreamRequest) => {
      await request.rfile.read(1)
      void request.wfile.write(Buffer.alloc(3 * MiB, 'r'))
    })
    const client = await dialTLS(server.address)
    client.write(Buffer.alloc(5 * MiB))
    expect((await received(client)).length).toBe(3 * MiB)
    client.end()
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
  })

  it('wait in the kernel while nobody reads them', async () => {
    const server = await tls()
    const [client, request] = await meet(server)
    const bytes = Buffer.alloc(20 * MiB, 's')
    let sent = false
    client.end(bytes, () => {
      sent = true
    })
    expect((await request.rfile.readExactly(1))?.toString()).toBe('s')
    expect(request.bytesIn).toBeLessThan(2 * MiB)
    expect(sent).toBe(false)
    expect((await request.rfile.readAll({ limit: bytes.length })).length).toBe(bytes.length - 1)
    await request.close()
  })

  it('are the own ones of detach(), which gives the TLSSocket', async () => {
    const server = await tls()
    const [client, request] = await meet(server)
    const socket = request.detach()
    expect(socket).toBeInstanceOf(TLSSocket)
    socket.on('data', (bytes: Buffer) => socket.end(bytes.toString().toUpperCase()))
    socket.resume()
    client.write('detached')
    expect((await received(client)).toString()).toBe('DETACHED')
    client.destroy()
  })

  it('are a reset to the request whose client resets', async () => {
    const server = await tls()
    const plain = await dial(server.address)
    const [client, request] = await meet(server, { socket: plain })
    client.on('error', () => {}).write('x')
    await request.rfile.readExactly(1)
    const read = request.rfile.read()
    plain.resetAndDestroy()
    await expect(read).rejects.toMatchObject({ cause: 'peer-gone' })
    await gone(request)
  })
})

describe('a request shows', () => {
  it('how it is encrypted', async () => {
    const server = await tls({ ALPNProtocols: ['b', 'c'] })
    const [client, request] = await meet(server, { ALPNProtocols: ['a', 'c'] })
    expect(request).toMatchObject({
      encrypted: true,
      authorized: false,
      authorizationError: undefined,
      peerCertificate: undefined,
      alpnProtocol: 'c',
      servername: 'localhost',
      tlsVersion: 'TLSv1.3',
      clientAddress: { family: 'IPv4', host: '127.0.0.1', port: client.localPort }
    })
    client.destroy()
    await request.close()
  })

  it('that it is not encrypted', async () => {
    const server = await tcp()
    const outcome = server.handleRequest(({ encrypted, authorized, ...request }: StreamRequest) => {
      expect(request).toBeDefined()
      return [encrypted, authorized]
    })
    const facts = server.handleRequest((request: StreamRequest) => {
      const { authorizationError, peerCertificate, alpnProtocol, servername, tlsVersion } = request
      return [authorizationError, peerCertificate, alpnProtocol, servername, tlsVersion]
    })
    await exchange(server.address, '')
    await exchange(server.address, '')
    expect(await outcome).toMatchObject({ value: [false, false] })
    expect(await facts).toMatchObject({ value: [undefined, undefined, undefined, undefined, undefined] })
  })

  it('nothing of a client that named no server and no protocol', async () => {
    const server = await tls({ ALPNProtocols: ['b'] })
    const [client, request] = await meet(server, { servername: '', rejectUnauthorized: false })
    expect([request.servername, request.alpnProtocol]).toEqual([undefined, undefined])
    client.destroy()
    await request.close()
  })
})

describe("a client's certificate", () => {
  const asking = (options: TLSServerOptions = {}): Promise<TLSServer> =>
    tls({ requestCert: true, ca: authority().cert, ...options })

  it('is seen by verifyRequest and the handler', async () => {
    class Members extends TLSServer {
      readonly seen: (PeerCertificate | undefined)[] = []
      override verifyRequest(request: StreamRequest): boolean {
        this.seen.push(request.peerCertificate)
        return request.authorized
      }
    }
    const options = { ...certificates(), requestCert: true, rejectUnauthorized: false, ca: authority().cert }
    const server = await new Members(options, (request) =>
      request.wfile.write(`hello ${String(request.peerCertificate?.subject.CN)}`)
    ).listen()
    const serving = server.serveForever()
    expect(await exchangeTLS(server.address, '', identity('client'))).toBe('hello client')
    const stranger = await dialTLS(server.address)
    await received(stranger).catch(() => {})
    expect(server.seen.map((certificate) => certificate?.subject.CN)).toEqual(['client', undefined])
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 2, served: 1, refused: 1 })
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const only = { minVersion: version, maxVersion: version } as const

    it(`that is missing or not trusted keeps the client out: ${version}`, async () => {
      using refused = overhear<RefusedEvent>('refused')
      using ended = overhear<HandshakeEvent>('handshake')
      const server = await asking(only)
      const serving = drain(echo(server))
      for (const options of [{}, identity('client', 'other')]) {
        const client = await dialTLS(server.address, options).catch(() => undefined)
        if (client !== undefined) await received(client).catch(() => {})
      }
      await refused.count(2)
      await ended.count(2)
      expect(refused.messages.map(({ reason }) => reason)).toEqual(['handshake', 'handshake'])
      expect(ended.messages.map(({ error }) => error?.cause)).toEqual(['handshake', 'handshake'])
      expect(ended.messages[1]?.error?.message).toContain('not accepted (')
      expect(await exchangeTLS(server.address, 'member', identity('client'))).toBe('member')
      await server.close()
      await serving
      expect(server.stats()).toMatchObject({ accepted: 3, refused: 2, served: 1 })
    })
  }

  it('that is missing or not trusted is told of where it is let pass', async () => {
    const server = await asking({ rejectUnauthorized: false })
    const seen: unknown[] = []
    for (const options of [{}, identity('client', 'other'), identity('client')]) {
      const [client, request] = await meet(server, options)
      const { authorized, authorizationError, peerCertificate } = request
      seen.push([authorized, authorizationError, peerCertificate?.subject.CN])
      client.destroy()
      await request.close()
    }
    expect(seen).toEqual([
      [false, expect.stringMatching(/^[A-Z_]+$/), undefined],
      [false, expect.stringMatching(/^[A-Z_]+$/), 'client'],
      [true, undefined, 'client']
    ])
  })

  it('is asked for by another name too, and by the same authority', async () => {
    const server = await asking()
    server.addContext('other.test', identity('other.test'))
    const serving = drain(echo(server))
    const options = { ...identity('client'), servername: 'other.test' }
    expect(await exchangeTLS(server.address, 'member', options)).toBe('member')
    await server.close()
    await serving
  })
})

describe('SNI', () => {
  it('chooses the certificate', async () => {
    const server = await tls()
    server.addContext('one.test', identity('one.test'))
    server.addContext('*.two.test', identity('a.two.test'))
    const serving = drain(echo(server))
    expect(await shownTo(server.address, 'localhost')).toBe('localhost')
    expect(await shownTo(server.address, 'one.test')).toBe('one.test')
    expect(await shownTo(server.address, 'b.two.test')).toBe('a.two.test')
    server.addContext('one.test', identity('localhost'))
    expect(await shownTo(server.address, 'one.test')).toBe('localhost')
    expect(await shownTo(server.address, 'b.two.test')).toBe('a.two.test')
    await server.close()
    await serving
  })

  it('is answered by the SNICallback, where there is one', async () => {
    const context = createSecureContext(identity('one.test'))
    const server = await new TLSServer({
      SNICallback: (name, done) => done(name === 'one.test' ? null : new Error('nobody of that name'), context)
    }).listen()
    const serving = drain(echo(server))
    expect(await shownTo(server.address, 'one.test')).toBe('one.test')
    await expect(shownTo(server.address, 'two.test')).rejects.toThrow()
    expect(() => server.addContext('two.test', identity('one.test'))).toThrow(/SNICallback/)
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ refused: 1 })
  })
})

describe('ALPN', () => {
  it('without a protocol in common is the end of the handshake', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await tls({ ALPNProtocols: ['b'] })
    const serving = drain(echo(server))
    await expect(dialTLS(server.address, { ALPNProtocols: ['a'] })).rejects.toThrow(/no application protocol/)
    await refused.count(1)
    await server.close()
    await serving
  })

  it('is answered by the ALPNCallback, where there is one', async () => {
    const server = await tls({ ALPNCallback: ({ protocols }) => protocols.at(-1) })
    const [client, request] = await meet(server, { ALPNProtocols: ['a', 'z'] })
    expect(request.alpnProtocol).toBe('z')
    client.destroy()
    await request.close()
  })
})

describe('a session', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`is resumed, with the certificate of its client: ${version}`, async () => {
      const server = await tls({ requestCert: true, ca: authority().cert, minVersion: version, maxVersion: version })
      const serving = drain(
        parallel((request: StreamRequest) => request.wfile.write(String(request.peerCertificate?.subject.CN)))(server)
      )
      const { host, port } = server.address
      const first = connectTLS({ ...trusted(), ...identity('client'), host, port })
      const [[session]] = (await Promise.all([once(first, 'session'), received(first)])) as [[Buffer], Buffer]
      // Its tickets stay good.
      for (let i = 0; i < 2; i++) server.addContext('one.test', identity('one.test'))
      const second = await dialTLS(server.address, { ...identity('client'), session })
      expect(second.isSessionReused()).toBe(true)
      expect((await received(second)).toString()).toBe('client')
      await server.close()
      await serving
    })
  }
})

it('a key that both sides have from before is enough', async () => {
  const psk = Buffer.from('0123456789abcdef')
  const ciphers = 'PSK+HIGH'
  const server = await new TLSServer(
    { ciphers, pskIdentityHint: 'who?', pskCallback: (_socket, name) => (name === 'ada' ? psk : null) },
    (request) => request.wfile.write('hello ada')
  ).listen()
  const serving = server.serveForever()
  const known = { ciphers, checkServerIdentity: () => undefined, pskCallback: () => ({ psk, identity: 'ada' }) }
  expect(await exchangeTLS(server.address, '', known)).toBe('hello ada')
  const unknown = { ...known, pskCallback: () => ({ psk, identity: 'eve' }) }
  await expect(exchangeTLS(server.address, '', unknown)).rejects.toThrow()
  await server.close()
  await serving
  expect(server.stats()).toMatchObject({ served: 1, refused: 1 })
})

describe('renewing the certificate', () => {
  it('is for those who come, not for those who are there', async () => {
    const server = await tls({ minVersion: 'TLSv1.3' })
    const serving = drain(echo(server))
    const old = await dialTLS(server.address)
    server.setSecureContext(identity('new.test'))
    expect(await shownTo(server.address, 'localhost')).toBe('new.test')
    old.end('still there')
    expect((await received(old)).toString()).toBe('still there')
    // What was left out stays.
    await expect(dialTLS(server.address, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/)
    await server.close()
    await serving
  })

  it('keeps the contexts of other names', async () => {
    const server = await tls()
    server.addContext('one.test', identity('one.test'))
    server.setSecureContext(identity('new.test'))
    const serving = drain(echo(server))
    expect(await shownTo(server.address, 'one.test')).toBe('one.test')
    expect(await shownTo(server.address, 'localhost')).toBe('new.test')
    await server.close()
    await serving
  })

  it('by bad material throws and changes nothing', async () => {
    const server = await tls()
    const { cert, key } = identity('new.test')
    const bad: Parameters<TLSServer['setSecureContext']>[0][] = [
      { cert },
      { cert, key: identity('localhost').key },
      { cert: 'garbage', key },
      { key },
      { ciphers: 'none-of-that-name' },
      { ca: 'garbage' }
    ]
    for (const options of bad) expect(() => server.setSecureContext(options)).toThrow(TypeError)
    for (const options of bad.slice(0, 4)) expect(() => server.addContext('one.test', options)).toThrow(TypeError)
    expect(() => server.setSecureContext({ cert })).toThrow(/not its key/)
    expect(() => server.setSecureContext({ key })).toThrow(/needs a certificate/)
    server.setSecureContext({})
    expect(() => server.setSecureContext({ requestCert: true } as object)).toThrow(/no option requestCert/)
    expect(() => server.addContext('', { cert, key })).toThrow(RangeError)
    const serving = drain(echo(server))
    expect(await exchangeTLS(server.address, 'as before', trusted())).toBe('as before')
    expect(await shownTo(server.address, 'one.test')).toBe('localhost')
    await server.close()
    await serving
  })
})
