import type { Hash } from 'node:crypto'
import type { NamedContextOptions, TLSOptions } from './tls-options.ts'

// What decides whose certificates are accepted. The certificates that a bundle brings along are trusted too.
const trustNames = ['ca', 'crl', 'pfx'] as const

function add(hash: Hash, given: unknown): void {
  if (Array.isArray(given)) {
    for (const item of given) add(hash, item)
    return
  }
  const bytes =
    given instanceof Uint8Array || typeof given === 'string' ? given : (Object(given) as { buf?: unknown }).buf
  // With its end: two of them are not one that is as long.
  if (bytes instanceof Uint8Array || typeof bytes === 'string') hash.update(bytes).update('\0')
}

function trustOf(options: TLSOptions): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256')
  // What Node takes where no sessionIdContext is given.
  hash.update(JSON.stringify([options.sessionIdContext ?? process.argv, options.rejectUnauthorized !== false]))
  for (const name of trustNames) {
    hash.update(`\0${name}\0`)
    add(hash, options[name])
  }
  // As long as it may be.
  return hash.digest('hex').slice(0, 32)
}

/**
 * Whether a session could let a client in that is not let in without: a session is resumed before the name is looked
 * at, and its certificate is not checked again.
 */
export function resumptionIsUnsafe(options: TLSOptions, named: Iterable<NamedContextOptions>): boolean {
  if (options.requestCert !== true) return false
  // Nobody knows whom its contexts trust; and who has shown a key by name has no certificate to resume with.
  if (options.SNICallback !== undefined || options.pskCallback !== undefined) return true
  for (const own of named) {
    if (options.pfx !== undefined || trustNames.some((name) => own[name] !== undefined)) return true
  }
  return false
}

/** The options by which sessions are those of clients that would be let in without them. */
export function sessionOptions(options: TLSOptions, unsafe: boolean): TLSOptions {
  const { requestCert, sessionIdContext, secureOptions = 0 } = options
  if (requestCert !== true) return options
  const { SSL_OP_NO_TICKET } = process.getBuiltinModule('node:crypto').constants
  return {
    ...options,
    // Sessions of those who were let in by another trust are not known, whoever shares the ticket keys.
    ...((sessionIdContext === undefined || typeof sessionIdContext === 'string') && {
      sessionIdContext: trustOf(options)
    }),
    // Node keeps no sessions of its own: without tickets nothing can be resumed.
    ...(unsafe && Number.isInteger(secureOptions) && { secureOptions: secureOptions | SSL_OP_NO_TICKET })
  }
}
