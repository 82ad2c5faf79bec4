import { createSecureContext } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { type HandshakeEvent, TLSServer, type TLSServerOptions } from '../../../lib/index.ts'
import { identity } from '../../support/certificates.ts'
import { overhear } from '../../support/events.ts'
import { certificates, dialTLS, exchangeTLS } from '../../support/peers.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

type SNICallback = NonNullable<TLSServerOptions['SNICallback']>

/** What the handshakes of three clients fail with; it has no time limit of its own. */
async function failures(options: TLSServerOptions, client: object = {}): Promise<(string | undefined)[]> {
  using ended = overhear<HandshakeEvent>('handshake')
  const own = { handshakeTimeout: Number.POSITIVE_INFINITY, ...options }
  const server = await new TLSServer({ ...certificates(), ...own }, (request) => request.wfile.write('in')).listen()
  const serving = server.serveForever()
  for (let i = 0; i < 3; i++) await expect(dialTLS(server.address, client)).rejects.toThrow()
  await ended.count(3)
  await server.close()
  await serving
  return [...new Set(ended.messages.map(({ error }) => (error?.origin as Error | undefined)?.message))]
}

describe('an SNICallback', () => {
  const wrong: Record<string, [unknown, RegExp]> = {
    'answers with what is no context': [
      (_name: string, done: (error: null, context: unknown) => void) => done(null, certificates()),
      /SNICallback must answer with a context of createSecureContext\(\): got/
    ],
    'answers so later': [
      (_name: string, done: (error: null, context: unknown) => void) => setImmediate(done, null, { context: {} }),
      /must answer with a context/
    ],
    'answers with an error': [(_name: string, done: (error: Error) => void) => done(new Error('nobody')), /^nobody$/],
    throws: [
      () => {
        throw new Error('boom')
      },
      /^boom$/
    ],
    rejects: [() => Promise.reject(new Error('no database')), /^no database$/]
  }
  for (const [what, [callback, words]] of Object.entries(wrong)) {
    it(`that ${what} ends the handshake, and nothing else`, async () => {
      expect(await failures({ SNICallback: callback as SNICallback })).toEqual([expect.stringMatching(words)])
    })
  }

  it('may answer later, and more than once', async () => {
    const context = createSecureContext(identity('one.test'))
    const server = await new TLSServer({
      SNICallback: async (_name, done) => {
        await Promise.resolve()
        done(null, context)
        done(new Error('too late'))
      }
    }).listen()
    const outcome = server.handleRequest((request) => request.wfile.write('well'))
    expect(await exchangeTLS(server.address, '', { servername: 'one.test' })).toBe('well')
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
    await server.close()
  })
})

it('an ALPNCallback that throws, or gives a promise, ends the handshake', async () => {
  const offer = { ALPNProtocols: ['a'] }
  const thrower = (): string => {
    throw new Error('boom')
  }
  expect(await failures({ ALPNCallback: thrower }, offer)).toEqual(['boom'])
  const promising = (() => Promise.reject(new Error('later'))) as unknown as () => string
  expect(await failures({ ALPNCallback: promising }, offer)).toEqual([
    'ALPNCallback must answer at once: it gave a promise'
  ])
})

it('a pskCallback that gives a promise ends the handshake', async () => {
  const ciphers = 'PSK+HIGH'
  const client = {
    ciphers,
    maxVersion: 'TLSv1.2',
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: Buffer.from('0123456789abcdef'), identity: 'ada' })
  }
  const promising = (() => Promise.reject(new Error('later'))) as unknown as () => null
  expect(await failures({ ciphers, pskCallback: promising }, client)).toEqual([
    'pskCallback must answer at once: it gave a promise'
  ])
})
