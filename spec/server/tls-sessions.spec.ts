import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTLS } from 'node:tls'
import { describe, expect, it } from 'vitest'
import {
  type HandshakeEvent,
  type InternetAddress,
  type StreamRequest,
  type TCPServer,
  TLSServer,
  type TLSServerOptions
} from '../../lib/index.ts'
import { authority, identity } from '../support/certificates.ts'
import { overhear } from '../support/events.ts'
import { certificates, dial, trusted } from '../support/peers.ts'
import { tcp } from '../support/servers.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

interface Visit {
  /** `authorized`, `authorizationError` and whose certificate; `undefined` where the client was not let in. */
  readonly seen: unknown
  readonly session: Buffer | undefined
  readonly reused: boolean | undefined
}

const seenOf = ({ authorized, authorizationError, peerCertificate }: StreamRequest): string =>
  JSON.stringify([authorized, authorizationError ?? null, peerCertificate?.subject.CN ?? null])

/** A client that looks what it is to the server. */
async function visit(at: InternetAddress | Socket, options: ConnectionOptions): Promise<Visit> {
  const to = 'family' in at ? { host: at.host, port: at.port } : { socket: at }
  const client = connectTLS({ ...trusted(), rejectUnauthorized: false, ...to, ...options } as ConnectionOptions)
  let session: Buffer | undefined
  let reused: boolean | undefined
  let text = ''
  client.on('error', () => {})
  client.on('session', (given: Buffer) => {
    session = given
  })
  client.on('secureConnect', () => {
    reused = client.isSessionReused()
  })
  client.on('data', (bytes: Buffer) => {
    text += bytes.toString()
  })
  client.on('end', () => client.end())
  await new Promise((closed) => client.on('close', closed))
  return { seen: text === '' ? undefined : JSON.parse(text), session, reused }
}

/** A server that tells each client what it is to it; it is closed at the end. */
async function telling(options: TLSServerOptions): Promise<TLSServer & AsyncDisposable> {
  const server = await new TLSServer({ ...certificates(), requestCert: true, ...options }, (request) =>
    request.wfile.write(seenOf(request))
  ).listen()
  const serving = server.serveForever()
  return Object.assign(server, {
    [Symbol.asyncDispose]: async () => {
      await server.close()
      await serving
    }
  })
}

const ours = authority().cert
const theirs = authority('other').cert
const alice = identity('client')
const bob = identity('client', 'other')
const missing = [false, 'UNABLE_TO_GET_ISSUER_CERT', null]
const member = [true, null, 'client']

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a session: %s', (version) => {
  const only = { minVersion: version, maxVersion: version } as const

  it('makes nobody authorized who has shown no certificate', async () => {
    await using server = await telling({ ca: ours, rejectUnauthorized: false })
    const first = await visit(server.address, only)
    expect(first.seen).toEqual(missing)
    const second = await visit(server.address, { ...only, session: first.session })
    expect([second.reused, second.seen]).toEqual([true, missing])
  })

  it('makes nobody authorized who has shown no certificate: startTLS', async () => {
    const options = { ...certificates(), requestCert: true, rejectUnauthorized: false, ca: ours }
    const server: TCPServer = await tcp()
    const upgraded = async (session?: Buffer): Promise<Visit> => {
      const outcome = server.handleRequest(async (request: StreamRequest) => {
        await request.startTLS(options)
        await request.wfile.write(seenOf(request))
      })
      const seen = await visit(await dial(server.address), { ...only, session })
      await outcome
      return seen
    }
    const first = await upgraded()
    const second = await upgraded(first.session)
    expect([first.seen, second.seen, second.reused]).toEqual([missing, missing, true])
  })

  it('of a server that asks for no certificate lets nobody in where one is asked for', async () => {
    using ended = overhear<HandshakeEvent>('handshake')
    const ticketKeys = randomBytes(48)
    await using open = await telling({ ticketKeys, requestCert: false })
    await using asking = await telling({ ticketKeys, ca: ours })
    const { session } = await visit(open.address, only)
    expect((await visit(asking.address, { ...only, session: session })).seen).toBe(undefined)
    await ended.count(2)
    expect(ended.messages[1]?.error).toMatchObject({ cause: 'handshake' })
    const again = await visit(asking.address, { ...only, ...alice, session: session })
    expect([again.seen, again.reused]).toEqual([member, false])
  })

  it('of one name lets nobody into another that trusts others', async () => {
    await using server = await telling({ ca: ours })
    const before = await visit(server.address, { ...only, ...alice })
    server.addContext('b.test', { ...identity('b.test'), ca: theirs })
    const a = await visit(server.address, { ...only, ...alice })
    expect(a.seen).toEqual(member)
    for (const session of [before.session, a.session]) {
      const given = { ...only, servername: 'b.test', session }
      expect((await visit(server.address, { ...given, ...alice })).seen).toBe(undefined)
      expect((await visit(server.address, given)).seen).toBe(undefined)
    }
    expect((await visit(server.address, { ...only, ...bob, servername: 'b.test' })).seen).toEqual(member)
  })

  it('of a name ends with its trust', async () => {
    await using server = await telling({ ca: ours, ticketKeys: randomBytes(48) })
    const named = { ...only, ...bob, servername: 'b.test' }
    server.addContext('b.test', { ...identity('b.test'), ca: theirs })
    const { seen, session } = await visit(server.address, named)
    expect(seen).toEqual(member)
    for (const own of [{ ca: ours }, {}]) {
      server.addContext('b.test', { ...identity('b.test'), ...own })
      expect((await visit(server.address, { ...named, session })).seen).toBe(undefined)
    }
  })

  it('of the server ends with its trust, whatever the ticket keys', async () => {
    await using server = await telling({ ca: [ours, theirs], ticketKeys: randomBytes(48) })
    const given = { ...only, ...bob }
    const { seen, session } = await visit(server.address, given)
    expect(seen).toEqual(member)
    expect((await visit(server.address, { ...given, session: session })).reused).toBe(true)
    server.setSecureContext({ ca: ours })
    expect((await visit(server.address, { ...given, session: session })).seen).toBe(undefined)
  })

  it('is not resumed after a renewal, but where the ticket keys were given', async () => {
    for (const keys of [{}, { ticketKeys: randomBytes(48) }]) {
      await using server = await telling({ ca: ours, ...keys })
      const { session } = await visit(server.address, { ...only, ...alice })
      server.setSecureContext(identity('localhost'))
      const again = await visit(server.address, { ...only, ...alice, session: session })
      expect([again.seen, again.reused]).toEqual([member, 'ticketKeys' in keys])
    }
  })

  it('is not resumed where an SNICallback chooses whom to trust', async () => {
    await using server = await telling({ ca: ours, SNICallback: (_name, done) => done(null) })
    const { seen, session } = await visit(server.address, { ...only, ...alice })
    const again = await visit(server.address, { ...only, ...alice, session })
    expect([seen, again.seen, again.reused]).toEqual([member, member, false])
  })
})

it('a key that the pskCallback knows stands in for the certificate, and authorizes nobody', async () => {
  const psk = Buffer.from('0123456789abcdef')
  const ciphers = 'PSK-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256'
  const psks: TLSServerOptions = { ciphers, ca: ours, pskCallback: (_socket, name) => (name === 'ada' ? psk : null) }
  await using server = await telling(psks)
  const shown = { ciphers, checkServerIdentity: () => undefined, pskCallback: () => ({ psk, identity: 'ada' }) }
  const { seen } = await visit(server.address, { ...shown, maxVersion: 'TLSv1.2' })
  // Newer Nodes demand the certificate too.
  expect([undefined, [false, null, null]]).toContainEqual(seen)
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const other = { ...shown, maxVersion, pskCallback: () => ({ psk, identity: 'eve' }) }
    expect((await visit(server.address, other)).seen).toBe(undefined)
  }
  await using lenient = await telling({ ...psks, rejectUnauthorized: false })
  expect((await visit(lenient.address, shown)).seen).toMatchObject({ 0: false, 2: null })
})
