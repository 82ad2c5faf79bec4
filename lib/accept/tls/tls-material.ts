import type { SecureContext } from 'node:tls'
import { toError } from '../../outcome.ts'
import type { SecureContextOptions, TLSOptions } from './tls-options.ts'

type Bytes = string | Buffer

function list(value: unknown): unknown[] {
  if (value === undefined || value === null || value === '') return []
  return Array.isArray(value) ? value : [value]
}

/** Whether there is no byte in it. */
function isEmpty(given: unknown): boolean {
  return list(given).every((item) => item === '' || (item as Partial<Bytes> | null)?.length === 0)
}

function thrownBy(run: () => unknown): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error ?? new Error('unknown')
  }
}

function isCertificate(given: unknown): boolean {
  return thrownBy(() => new (process.getBuiltinModule('node:crypto').X509Certificate)(given as Bytes)) === undefined
}

/** An item of `key` or `pfx`: its bytes, or an object that holds them and perhaps a passphrase of their own. */
function opened(given: unknown, property: 'pem' | 'buf', passphrase: string | undefined): [Bytes, string | undefined] {
  if (typeof given === 'string' || Buffer.isBuffer(given)) return [given, passphrase]
  const item = Object(given) as { pem?: Bytes; buf?: Bytes; passphrase?: string }
  return [item[property] as Bytes, item.passphrase ?? passphrase]
}

function keyTrouble(given: unknown, shared: string | undefined): string | undefined {
  const [key, passphrase] = opened(given, 'pem', shared)
  if (
    thrownBy(() =>
      process.getBuiltinModule('node:crypto').createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) })
    ) === undefined
  ) {
    return undefined
  }
  if (!String(key).includes('ENCRYPTED')) return 'key is not a private key in PEM form'
  return passphrase === undefined ? 'key is encrypted: give its passphrase' : 'the passphrase does not open key'
}

function pfxTrouble(given: unknown, shared: string | undefined): string | undefined {
  const [pfx, passphrase] = opened(given, 'buf', shared)
  const error = thrownBy(() =>
    process.getBuiltinModule('node:tls').createSecureContext({ pfx, ...(passphrase !== undefined && { passphrase }) })
  )
  if (error === undefined) return undefined
  if (!/mac verify/i.test(toError(error).message)) return 'pfx is not a PKCS#12 bundle with a certificate and its key'
  return passphrase === undefined ? 'pfx is encrypted: give its passphrase' : 'the passphrase does not open pfx'
}

/** What is wrong with the certificates of options that Node has refused. */
function trouble(options: SecureContextOptions, error: Error): string {
  if (!list(options.cert).every(isCertificate)) return 'cert is not a certificate in PEM form'
  for (const key of list(options.key)) {
    const found = keyTrouble(key, options.passphrase)
    if (found !== undefined) return found
  }
  for (const pfx of list(options.pfx)) {
    const found = pfxTrouble(pfx, options.passphrase)
    if (found !== undefined) return found
  }
  // OpenSSL's words, which have outlived its codes.
  if (/key (values|type) mismatch/i.test(error.message)) return 'key does not fit cert'
  return error.message
}

/**
 * Run what makes a context or a server of options, and say what is wrong with them where it throws.
 *
 * @param what - who takes the options
 * @param options - the options
 * @param make - Node's function
 */
export function withMaterial<T>(what: string, options: SecureContextOptions, make: () => T): T {
  try {
    return make()
  } catch (thrown) {
    const error = toError(thrown)
    throw new TypeError(`${what} cannot use its TLS options: ${trouble(options, error)}`, { cause: error })
  }
}

/** Whether there is anything to show a client; what Node would find out only in the handshake. */
export function checkMaterial(what: string, options: TLSOptions): void {
  const { ca, cert, key, pfx, privateKeyIdentifier, SNICallback, pskCallback } = options
  const given = (value: unknown): boolean => list(value).length > 0
  // Node takes that for the authorities that everybody knows: anybody can get a certificate of theirs.
  if (ca !== undefined && isEmpty(ca)) {
    throw new TypeError(
      `${what} cannot use its TLS options: ca is empty; leave it out to trust the public authorities`,
      {
        cause: new Error('ca was given, and holds nothing')
      }
    )
  }
  // Node takes anything for an authority, and then trusts nobody.
  for (const authority of list(ca)) {
    const error = thrownBy(() => new (process.getBuiltinModule('node:crypto').X509Certificate)(authority as Bytes))
    if (error !== undefined) {
      throw new TypeError(`${what} cannot use its TLS options: ca is not a certificate in PEM form`, { cause: error })
    }
  }
  if (given(pfx)) return
  if (!given(cert) && SNICallback === undefined && pskCallback === undefined) {
    throw new TypeError(`${what} needs a certificate: give cert and key, pfx, SNICallback or pskCallback`, {
      cause: new Error('none of cert, pfx, SNICallback and pskCallback was given')
    })
  }
  if (given(cert) && !given(key) && privateKeyIdentifier === undefined) {
    throw new TypeError(`${what} has a certificate and not its key: give key`, {
      cause: new Error('cert was given, key was not')
    })
  }
}

/** A context, or a `TypeError` that says what is wrong. */
export function secureContext(what: string, options: SecureContextOptions): SecureContext {
  checkMaterial(what, options)
  return withMaterial(what, options, () => process.getBuiltinModule('node:tls').createSecureContext(options))
}
