import { describe, expect, it } from 'vitest'
import { TLSServer, type TLSServerOptions } from '../../../lib/index.ts'
import { authority, bundle, encryptedKey, identity } from '../../support/certificates.ts'
import { exchangeTLS, trusted } from '../../support/peers.ts'

const own = identity('localhost')
const { cert, key } = own
const encrypted = encryptedKey(own, 'secret')
const pfx = bundle(own, 'secret')

describe('certificates and keys', () => {
  const good: Record<string, TLSServerOptions> = {
    'PEM text': { cert, key },
    'PEM in buffers and lists': { cert: [Buffer.from(cert)], key: [Buffer.from(key)], ca: [authority().cert] },
    'an encrypted key': { cert, key: encrypted, passphrase: 'secret' },
    'a key with a passphrase of its own': { cert, key: [{ pem: encrypted, passphrase: 'secret' }] },
    'a bundle': { pfx, passphrase: 'secret' },
    'a bundle with a passphrase of its own': { pfx: [{ buf: pfx, passphrase: 'secret' }] }
  }
  for (const [what, options] of Object.entries(good)) {
    it(`serve: ${what}`, async () => {
      const server = await new TLSServer(options, (request) => request.wfile.write('well')).listen()
      const serving = server.serveForever()
      expect(await exchangeTLS(server.address, '', trusted())).toBe('well')
      await server.close()
      await serving
    })
  }

  const bad: Record<string, [TLSServerOptions, RegExp]> = {
    'nothing at all': [{}, /^TLSServer needs a certificate: give cert and key, pfx, SNICallback or pskCallback$/],
    'an empty certificate': [{ cert: '', key }, /needs a certificate/],
    'a key alone': [{ key }, /needs a certificate/],
    'a certificate alone': [{ cert }, /has a certificate and not its key/],
    'a certificate that is none': [{ cert: 'garbage', key }, /: cert is not a certificate in PEM form$/],
    'a key that is none': [{ cert, key: 'garbage' }, /: key is not a private key in PEM form$/],
    'a key that is nothing': [{ cert, key: [null] as unknown as string }, /: key is not a private key in PEM form$/],
    'an authority that is none': [{ cert, key, ca: 'garbage' }, /: ca is not a certificate in PEM form$/],
    'an empty authority': [{ cert, key, requestCert: true, ca: '' }, /: ca is empty; leave it out/],
    'no authorities': [{ cert, key, requestCert: true, ca: [] }, /: ca is empty; leave it out/],
    'authorities of no bytes': [{ cert, key, requestCert: true, ca: [Buffer.alloc(0), ''] }, /: ca is empty;/],
    'a bundle that is none': [{ pfx: Buffer.from('garbage') }, /: pfx is not a PKCS#12 bundle/],
    "somebody else's key": [{ cert, key: identity('one.test').key }, /: key does not fit cert$/],
    'an encrypted key without a passphrase': [{ cert, key: encrypted }, /: key is encrypted: give its passphrase$/],
    'an encrypted key with a wrong passphrase': [
      { cert, key: encrypted, passphrase: 'wrong' },
      /: the passphrase does not open key$/
    ],
    'a bundle without a passphrase': [{ pfx }, /: pfx is encrypted: give its passphrase$/],
    'a bundle with a wrong passphrase': [{ pfx, passphrase: 'wrong' }, /: the passphrase does not open pfx$/],
    'a cipher that nobody knows': [{ cert, key, ciphers: 'no-such-cipher' }, /cannot use its TLS options: .*cipher/i],
    'a version that nobody knows': [{ cert, key, minVersion: 'TLSv9' as 'TLSv1.3' }, /TLSv9/],
    'two ways of ALPN': [{ cert, key, ALPNProtocols: ['a'], ALPNCallback: () => 'a' }, /ALPN/]
  }
  for (const [what, [options, words]] of Object.entries(bad)) {
    it(`are refused at construction: ${what}`, () => {
      const make = (): TLSServer => new TLSServer(options)
      expect(make).toThrow(TypeError)
      expect(make).toThrow(words)
      expect(make).toThrow(expect.objectContaining({ cause: expect.any(Error) }))
    })
  }

  it('are not needed where SNICallback or pskCallback stand in', () => {
    expect(() => new TLSServer({ SNICallback: () => {} })).not.toThrow()
    expect(() => new TLSServer({ pskCallback: () => null })).not.toThrow()
  })
})

describe('options of TLS', () => {
  const wrong: [object, RegExp][] = [
    [{ certificate: cert }, /TLSServer has no option certificate/],
    [{ requestCert: 'yes' }, /Option requestCert must be true or false: got "yes"/],
    [{ rejectUnauthorized: 0 }, /Option rejectUnauthorized must be true or false/],
    [{ rejectUnauthorized: true }, /Option rejectUnauthorized needs requestCert/],
    [{ rejectUnauthorized: true, requestCert: false }, /Option rejectUnauthorized needs requestCert/],
    [{ handshakeTimeout: 0 }, /Option handshakeTimeout must be from 1/],
    [{ maxHandshakes: 0 }, /Option maxHandshakes must be an integer of at least 1/],
    [{ ALPNProtocols: 'h2' }, /Option ALPNProtocols must be an array/],
    [{ SNICallback: true }, /Option SNICallback must be a function/],
    [{ port: -1 }, /Option port must be/]
  ]
  for (const [option, words] of wrong) {
    it(`are checked at construction: ${JSON.stringify(Object.keys(option))}`, () => {
      expect(() => new TLSServer({ cert, key, ...option })).toThrow(words)
    })
  }
})

describe('options of addContext', () => {
  const shared = {
    ciphers: 'HIGH',
    clientCertEngine: 'x',
    dhparam: 'auto',
    ecdhCurve: 'auto',
    honorCipherOrder: true,
    maxVersion: 'TLSv1.2',
    minVersion: 'TLSv1.3',
    secureOptions: 0,
    secureProtocol: 'TLS_method',
    sessionIdContext: 'x',
    sessionTimeout: 1,
    sigalgs: 'ecdsa_secp256r1_sha256',
    ticketKeys: Buffer.alloc(48)
  }
  for (const [name, value] of Object.entries(shared)) {
    it(`are those that one name can have of its own: not ${name}`, () => {
      const adding = (): void => new TLSServer({ cert, key }).addContext('one.test', { cert, key, [name]: value })
      expect(adding).toThrow(TypeError)
      expect(adding).toThrow(`addContext cannot set ${name}: it is the same for all names`)
    })
  }

  it('are what makes a certificate, and an authority that is there', () => {
    const server = new TLSServer({ cert, key })
    server.addContext('one.test', { pfx, passphrase: 'secret', ca: authority().cert })
    expect(() => server.addContext('one.test', { cert, key, ca: '' })).toThrow(/ca is empty/)
    expect(() => server.addContext('one.test', { cert, key, port: 1 } as object)).toThrow(/no option port/)
  })
})
