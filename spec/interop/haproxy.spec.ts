import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type Address,
  type BaseServer,
  drain,
  formatAddress,
  type InternetAddress,
  type ProxyEvent,
  type ProxyHeader,
  parallel,
  pipe,
  proxyProtocol,
  type StreamRequest,
  TCPServer,
  TLSServer,
  UnixStreamServer
} from '../../lib/index.ts'
import { authority, filesOf, identity } from '../support/certificates.ts'
import { overhear } from '../support/events.ts'
import { listeningSocket } from '../support/made-sockets.ts'
import { certificates, dial, dialTLS, received, temporaryPath } from '../support/peers.ts'
import { type Quieted, quiet } from '../support/quiet.ts'
import { backends } from '../support/server-subjects.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const trust = ['127.0.0.1', '::1', 'unix:']
const own = { host: '127.0.0.1', proxyProtocol: { trust } }

interface Proxy {
  readonly address: InternetAddress
  /** All that it has said so far. */
  readonly said: () => string
}

/** The file that holds a certificate and its key. */
function pem({ cert, key }: ReturnType<typeof identity>): string {
  const file = `${temporaryPath()}.pem`
  writeFileSync(file, cert + key)
  return file
}

/** haproxy in front of a server; ended after the test. */
function haproxy(server: Address, sends: string, listens = '', where: 'IPv4' | 'IPv6' = 'IPv4'): Proxy {
  const { fd, address } = listeningSocket(where)
  const config = `${temporaryPath()}.cfg`
  const target = server.family === 'unix' ? `unix@${server.path}` : formatAddress(server)
  const lines = [
    'global',
    '  maxconn 200',
    'defaults',
    '  mode tcp',
    '  timeout connect 10s',
    '  timeout client 30s',
    '  timeout server 30s',
    'listen front',
    `  bind fd@3 ${listens}`,
    '  unique-id-format %ci:%cp',
    `  server back ${target} ${sends}`
  ]
  writeFileSync(config, `${lines.join('\n')}\n`)
  const process = spawn('haproxy', ['-db', '-f', config], { stdio: ['ignore', 'pipe', 'pipe', fd] })
  const exit = once(process, 'exit')
  let text = ''
  for (const stream of [process.stdout, process.stderr]) {
    stream?.setEncoding('utf8').on('data', (more: string) => {
      text += more
    })
  }
  onTestFinished(async () => {
    process.kill('SIGKILL')
    await exit
  })
  return { address: address as InternetAddress, said: () => text }
}

async function started<S extends BaseServer<StreamRequest>>(server: S): Promise<Quieted<S>> {
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
  })
  const quieted = quiet(server)
  await quieted.listen()
  return quieted
}

/** Serves by telling where the client is; gives what headers have said. */
function telling(server: BaseServer<StreamRequest>): ProxyHeader[] {
  const headers: ProxyHeader[] = []
  const serving = drain(
    parallel(async ({ clientAddress, proxy, rfile, wfile }: StreamRequest) => {
      if (proxy !== undefined) headers.push(proxy)
      const line = await rfile.readLine()
      if (line !== undefined) await wfile.write(`${formatAddress(clientAddress)} says ${line.toString()}`)
    })(server)
  )
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
    await serving
  })
  return headers
}

function addressOf({ localAddress, localPort, localFamily }: Socket): Address {
  return { family: localFamily as 'IPv4', host: localAddress as string, port: localPort as number }
}

/** That a client which says hello is known. */
async function expectKnown(client: Socket): Promise<void> {
  const [said, source] = await asked(client)
  expect(said).toBe(`${formatAddress(source)} says hello\n`)
}

/** What a client gets that says hello, and where it was. */
async function asked(socket: Socket): Promise<[answer: string, source: Address]> {
  const source = addressOf(socket)
  socket.end('hello\n')
  return [String(await received(socket)), source]
}

describe.for(backends)('behind haproxy (%s)', (backend) => {
  for (const [version, sends] of [
    [1, 'send-proxy'],
    [2, 'send-proxy-v2']
  ] as const) {
    for (const where of ['IPv4', 'IPv6'] as const) {
      it(`the client of ${where} is known by version ${version}`, async () => {
        const server = await started(new TCPServer({ ...own, backend }))
        const headers = telling(server)
        const proxy = haproxy(server.address, sends, '', where)
        for (let i = 0; i < 5; i++) {
          const client = await dial(proxy.address)
          const [said, source] = await asked(client)
          expect(said).toBe(`${formatAddress(source)} says hello\n`)
          expect(headers[i]).toMatchObject({ version, command: 'PROXY', source, destination: proxy.address })
          expect(headers[i]?.proxyAddress).toMatchObject({ family: 'IPv4', host: '127.0.0.1' })
        }
        expect(server.stats()).toMatchObject({ accepted: 5, refused: 0 })
      })
    }

    it(`a server at a Unix path knows the client by version ${version}`, async () => {
      const server = await started(
        new UnixStreamServer({ path: temporaryPath(), backend, proxyProtocol: { trust: ['unix:'] } })
      )
      telling(server)
      const client = await dial(haproxy(server.address, sends).address)
      await expectKnown(client)
    })

    it(`a TLS server knows the client by version ${version}, before the handshake`, async () => {
      const server = await started(new TLSServer({ ...own, ...certificates(), backend }))
      const headers = telling(server)
      // Both ways: haproxy speaks TLS itself, or passes on what the client speaks.
      const encrypting = haproxy(server.address, `${sends} ssl verify none`)
      const first = await dial(encrypting.address)
      await expectKnown(first)
      const passing = haproxy(server.address, sends)
      const second = await dialTLS(passing.address)
      await expectKnown(second)
      expect(headers.map(({ destination }) => destination)).toEqual([encrypting.address, passing.address])
      expect(server.stats()).toMatchObject({ accepted: 2, refused: 0 })
    })
  }

  it('a stage knows the client', async () => {
    const server = await started(new TCPServer({ host: '127.0.0.1', backend }))
    const echo = parallel(({ clientAddress, wfile }: StreamRequest) => wfile.write(formatAddress(clientAddress)))
    const serving = pipe(server, proxyProtocol({ trust }), echo, drain)
    const client = await dial(haproxy(server.address, 'send-proxy-v2').address)
    const [said, source] = await asked(client)
    expect(said).toBe(formatAddress(source))
    await server.close()
    await serving
  })

  it('all that it tells of TLS is known', async () => {
    const server = await started(new TCPServer({ ...own, backend }))
    const headers = telling(server)
    const certificate = identity('client')
    const { certFile: ca } = filesOf(authority())
    const options = 'proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,unique-id,crc32c,authority'
    const { address } = haproxy(
      server.address,
      `send-proxy-v2 ${options}`,
      `ssl crt ${pem(certificates())} ca-file ${ca} verify optional alpn imap,pop3`
    )
    const shown = { key: certificate.key, cert: certificate.cert, ALPNProtocols: ['pop3'] }
    const client = await dialTLS(address, shown)
    const [said, source] = await asked(client)
    expect(said).toBe(`${formatAddress(source)} says hello\n`)
    expect(headers[0]).toMatchObject({
      version: 2,
      command: 'PROXY',
      source,
      authority: 'localhost',
      uniqueId: Buffer.from(formatAddress(source)),
      ssl: {
        encrypted: true,
        hasCertificate: true,
        authorized: true,
        version: 'TLSv1.3',
        commonName: 'client',
        cipher: expect.stringMatching(/^TLS_/),
        signatureAlgorithm: 'ecdsa-with-SHA256',
        keyAlgorithm: expect.stringMatching(/^EC/)
      }
    })
    // 0x03: its checksum was right.
    expect(headers[0]?.tlvs.map(({ type }) => type)).toEqual(expect.arrayContaining([0x02, 0x03, 0x05, 0x20]))
    const other = await dialTLS(address)
    await asked(other)
    expect(headers[1]?.ssl).toMatchObject({ encrypted: true, hasCertificate: false, authorized: false })
    expect(headers[1]?.ssl?.commonName).toBe(undefined)
  })

  it('its health checks are its own', async () => {
    using proxied = overhear<ProxyEvent>('proxy')
    const server = await started(new TCPServer({ ...own, backend }))
    telling(server)
    const { address } = haproxy(server.address, 'send-proxy-v2 proxy-v2-options crc32c check inter 50ms fall 1 rise 1')
    const read = (): ProxyEvent[] => proxied.messages.filter(({ error }) => error === undefined)
    await proxied.count(3)
    if (backend === 'native') expect(read().length).toBeGreaterThan(0)
    for (const { header } of read()) {
      expect(header).toMatchObject({ version: 2, command: 'LOCAL', source: undefined, destination: undefined })
    }
    // It resets what it has checked, at once: Node's own sockets have no address of it then, and nobody is trusted who has none.
    for (const { error } of proxied.messages) if (error !== undefined) expect(error.reason).toBe('peer-gone')
    const client = await dial(address)
    await expectKnown(client)
    expect(server.errors.filter((error) => (error as { cause?: unknown }).cause !== 'peer-gone')).toEqual([])
  })

  it('it is told at once where it is not trusted', async () => {
    const server = await started(new TCPServer({ host: '127.0.0.1', backend, proxyProtocol: { trust: ['192.0.2.1'] } }))
    telling(server)
    const client = await dial(haproxy(server.address, 'send-proxy').address)
    client.on('error', () => {})
    await asked(client).catch(() => {})
    while (server.stats().refused === 0) await turns()
    expect(server.stats()).toMatchObject({ served: 0 })
  })
})
