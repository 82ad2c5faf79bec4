import type { TlsOptions } from 'node:tls'
import { flag, known, milliseconds, show } from '../../arguments.ts'

/**
 * What makes a secure context, as in `tls.createSecureContext()`: see Node's documentation of each.
 */
export interface SecureContextOptions
  extends Pick<
    TlsOptions,
    | 'ca'
    | 'cert'
    | 'ciphers'
    | 'clientCertEngine'
    | 'crl'
    | 'dhparam'
    | 'ecdhCurve'
    | 'honorCipherOrder'
    | 'key'
    | 'maxVersion'
    | 'minVersion'
    | 'passphrase'
    | 'pfx'
    | 'privateKeyEngine'
    | 'privateKeyIdentifier'
    | 'secureOptions'
    | 'secureProtocol'
    | 'sessionIdContext'
    | 'sessionTimeout'
    | 'sigalgs'
    | 'ticketKeys'
  > {}

/** How a server does TLS, as in `tls.createServer()`: see Node's documentation of each. */
export interface TLSOptions
  extends SecureContextOptions,
    Pick<
      TlsOptions,
      | 'ALPNCallback'
      | 'ALPNProtocols'
      | 'enableTrace'
      | 'pskCallback'
      | 'pskIdentityHint'
      | 'rejectUnauthorized'
      | 'requestCert'
      | 'SNICallback'
    > {
  /** Milliseconds that a handshake may take: 5,000 by default. */
  readonly handshakeTimeout?: number
}

// What says who the server is: given anew, all of it is.
export const identityNames = ['cert', 'key', 'passphrase', 'pfx', 'privateKeyEngine', 'privateKeyIdentifier']

/** What can be one name's own: OpenSSL takes nothing else from a context that SNI has chosen. */
export type NamedContextOptions = Pick<
  SecureContextOptions,
  'ca' | 'cert' | 'crl' | 'key' | 'passphrase' | 'pfx' | 'privateKeyEngine' | 'privateKeyIdentifier'
>

/** The names of {@link SecureContextOptions}. */
export const contextNames = [
  ...identityNames,
  'ca',
  'ciphers',
  'clientCertEngine',
  'crl',
  'dhparam',
  'ecdhCurve',
  'honorCipherOrder',
  'maxVersion',
  'minVersion',
  'secureOptions',
  'secureProtocol',
  'sessionIdContext',
  'sessionTimeout',
  'sigalgs',
  'ticketKeys'
]

/** The names of {@link TLSOptions}. */
export const tlsOptionNames = [
  ...contextNames,
  'ALPNCallback',
  'ALPNProtocols',
  'enableTrace',
  'handshakeTimeout',
  'pskCallback',
  'pskIdentityHint',
  'rejectUnauthorized',
  'requestCert',
  'SNICallback'
]

const defaultHandshakeTimeout = 5_000

// Node knows no handshake without an end.
export const longestTimer = 2 ** 31 - 1

/** The options of these names that were given. */
export function pick(options: object, names: readonly string[]): object {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => names.includes(name) && value !== undefined)
  )
}

/** Options of a context alone, checked as far as Node would silently take them. */
export function contextOptions(what: string, options: SecureContextOptions): SecureContextOptions {
  known(what, options, contextNames)
  flag('honorCipherOrder', options.honorCipherOrder, true)
  return pick(options, contextNames)
}

/** Options of a context for one name. */
export function namedOptions(what: string, options: NamedContextOptions): NamedContextOptions {
  const names = [...identityNames, 'ca', 'crl']
  for (const name of Object.keys(options)) {
    if (contextNames.includes(name) && !names.includes(name)) {
      throw new TypeError(`${what} cannot set ${name}: it is the same for all names`)
    }
  }
  known(what, options, names)
  return pick(options, names)
}

/** Options of TLS, checked as far as Node would silently take them; other names are left out. */
export function tlsOptions(options: TLSOptions): TLSOptions {
  const { ALPNProtocols } = options
  for (const name of ['requestCert', 'rejectUnauthorized', 'honorCipherOrder', 'enableTrace'] as const) {
    flag(name, options[name], false)
  }
  if (options.rejectUnauthorized === true && options.requestCert !== true) {
    throw new TypeError('Option rejectUnauthorized needs requestCert: no client is asked for a certificate')
  }
  for (const name of ['SNICallback', 'ALPNCallback', 'pskCallback'] as const) {
    const callback: unknown = options[name]
    if (callback !== undefined && typeof callback !== 'function') {
      throw new TypeError(`Option ${name} must be a function: got ${show(callback)}`)
    }
  }
  if (ALPNProtocols !== undefined && !Array.isArray(ALPNProtocols) && !ArrayBuffer.isView(ALPNProtocols)) {
    throw new TypeError(`Option ALPNProtocols must be an array of strings: got ${show(ALPNProtocols)}`)
  }
  const handshakeTimeout = milliseconds('handshakeTimeout', options.handshakeTimeout, defaultHandshakeTimeout, 1)
  return { ...pick(options, tlsOptionNames), handshakeTimeout: Math.min(handshakeTimeout, longestTimer) }
}
