import type { Socket } from 'node:net'
import type { SecureContext, Server, TLSSocket } from 'node:tls'
import { text } from '../../arguments.ts'
import { type StandIn, standIn } from '../stream/stand-in.ts'
import { Handshake, type HandshakeEnded, type HandshakeOrigin, handshakeUnder, wrapOf } from './handshake.ts'
import { resumptionIsUnsafe, sessionOptions } from './sessions.ts'
import { authenticatedByKey, guarded } from './tls-callbacks.ts'
import { checkMaterial, secureContext, withMaterial } from './tls-material.ts'
import {
  contextNames,
  contextOptions,
  identityNames,
  longestTimer,
  type NamedContextOptions,
  namedOptions,
  pick,
  type SecureContextOptions,
  type TLSOptions,
  tlsOptions
} from './tls-options.ts'

interface Named {
  readonly options: NamedContextOptions
  readonly context: SecureContext
}

// OpenSSL's word for a certificate that is not there.
const noCertificate = 'UNABLE_TO_GET_ISSUER_CERT'

function ownOptions(named: ReadonlyMap<string, Named>): NamedContextOptions[] {
  return Array.from(named.values(), ({ options }) => options)
}

function reasonOf(error: Error, { authorizationError }: TLSSocket): Error {
  if (!authorizationError) return error
  return new Error(`the client's certificate was not accepted (${String(authorizationError)})`, { cause: error })
}

function hasCertificate(secured: TLSSocket): boolean {
  const certificate = secured.getPeerCertificate() as object | null | undefined
  return certificate != null && Object.keys(certificate).length > 0
}

// Later: this may be within a callback of OpenSSL, and Node 20 would go on to use what is destroyed there.
function end(handshake: Handshake | undefined, error: Error, secured: TLSSocket): void {
  secured.on('error', () => {})
  handshake?.failLater(reasonOf(error, secured))
  setImmediate(() => secured.destroy())
}

// What Node has put around a stream that stands for a socket: half-open is allowed from now on.
function letEnd(secured: TLSSocket): void {
  const wrap = wrapOf(secured)
  if (wrap?.stream === undefined || !(standIn in wrap.stream)) return
  const stream = wrap.stream as StandIn
  wrap.allowHalfOpen = true
  stream.allowHalfOpen = true
  stream[standIn](false)
}

/** What is given anew, over what was there before. */
function renewed<O extends SecureContextOptions>(before: O, given: SecureContextOptions): O {
  const kept: Record<string, unknown> = { ...before }
  if (identityNames.some((name) => name in given)) for (const name of identityNames) delete kept[name]
  return { ...kept, ...given } as O
}

/**
 * Makes plain connections encrypted ones: a `tls.Server` that does not listen. Its certificates can be renewed while
 * handshakes run; those go on with what they began with.
 */
export class TLSEngine {
  #options: TLSOptions
  #named = new Map<string, Named>()
  #server: Server

  /**
   * @param what - who takes the options, for error messages
   * @param options - those of TLS; others are left alone
   */
  constructor(what: string, options: TLSOptions) {
    this.#options = tlsOptions(options)
    this.#server = this.#serverOf(what, this.#options, this.#named)
  }

  /** Milliseconds that a handshake may take. */
  get handshakeTimeout(): number {
    return this.#options.handshakeTimeout as number
  }

  /** For the handshakes that begin from now on. */
  set handshakeTimeout(milliseconds: number) {
    if (milliseconds === this.handshakeTimeout) return
    const options = { ...this.#options, handshakeTimeout: Math.min(milliseconds, longestTimer) }
    const keys = resumptionIsUnsafe(options, ownOptions(this.#named))
      ? {}
      : { ticketKeys: this.#server.getTicketKeys() }
    this.#server = this.#serverOf('setLimits', { ...options, ...keys }, this.#named)
    this.#options = options
  }

  /** Renew what the options say, for the handshakes that begin from now on; where they are wrong nothing changes. */
  setSecureContext(given: SecureContextOptions): void {
    const what = 'setSecureContext'
    const options = renewed(this.#options, contextOptions(what, given))
    const named = new Map<string, Named>()
    for (const [name, { options: own }] of this.#named) {
      named.set(name, { options: own, context: this.#contextOf(what, options, own) })
    }
    this.#server = this.#serverOf(what, options, named)
    this.#options = options
    this.#named = named
  }

  /** A context for clients that ask for this name, from now on; what it leaves out is as the engine's own. */
  addContext(servername: string, given: NamedContextOptions): void {
    const what = 'addContext'
    const name = text('servername', servername, undefined)
    const options = namedOptions(what, given)
    if (this.#options.SNICallback !== undefined) {
      throw new TypeError('Cannot add a context: the SNICallback of the server chooses them')
    }
    const context = this.#contextOf(what, this.#options, options)
    const named = new Map(this.#named).set(name, { options, context })
    const wasUnsafe = resumptionIsUnsafe(this.#options, ownOptions(this.#named))
    const isUnsafe = resumptionIsUnsafe(this.#options, ownOptions(named))
    if (!this.#named.has(name) && wasUnsafe === isUnsafe) this.#server.addContext(name, context)
    else {
      // Nothing takes a context out of a tls.Server. With the same ticket keys sessions can be resumed as before, where
      // they say nothing of whom a name trusts.
      const keys = wasUnsafe || isUnsafe ? {} : { ticketKeys: this.#server.getTicketKeys() }
      this.#server = this.#serverOf(what, { ...this.#options, ...keys }, named)
    }
    this.#named = named
  }

  /**
   * Begin a handshake.
   *
   * @param socket - a plain connection that nobody reads; it is closed where the handshake fails
   * @param from - where it comes from
   * @param ended - called once, never at once
   */
  handshake(socket: Socket, from: HandshakeOrigin, ended: HandshakeEnded): Handshake {
    const handshake = new Handshake(socket, from, ended)
    // A client that ends in the handshake will never be secured; afterwards the half-open is allowed again.
    socket.allowHalfOpen = false
    if (standIn in socket) (socket as unknown as StandIn)[standIn](true)
    try {
      if (socket.destroyed) throw new Error('the connection has closed')
      this.#server.emit('connection', socket)
    } catch (error) {
      socket.on('error', () => {})
      setImmediate(() => handshake.fail(error as Error))
    }
    return handshake
  }

  #contextOf(what: string, base: TLSOptions, own: NamedContextOptions): SecureContext {
    // Who it is by its own name says nothing about who it is by another.
    const shared = pick(
      sessionOptions(base, false),
      contextNames.filter((name) => !identityNames.includes(name))
    )
    return secureContext(what, { ...shared, ...own })
  }

  #serverOf(what: string, given: TLSOptions, named: ReadonlyMap<string, Named>): Server {
    checkMaterial(what, given)
    const options = guarded(sessionOptions(given, resumptionIsUnsafe(given, ownOptions(named))))
    const server = withMaterial(what, options, () =>
      process.getBuiltinModule('node:tls').createServer({ ...options, allowHalfOpen: true, pauseOnConnect: true })
    )
    const { requestCert, rejectUnauthorized } = options
    for (const [name, { context }] of named) server.addContext(name, context)
    server.on('secureConnection', (secured) => {
      secured.allowHalfOpen = true
      letEnd(secured)
      const handshake = handshakeUnder(secured)
      if (handshake === undefined) secured.destroy()
      else if (requestCert !== true || hasCertificate(secured)) handshake.succeed(secured)
      else {
        // Node 20 takes a resumed session for a certificate.
        secured.authorized = false
        const byKey = authenticatedByKey(secured)
        if (!byKey) secured.authorizationError = noCertificate as unknown as Error
        if (byKey || rejectUnauthorized === false) handshake.succeed(secured)
        else end(handshake, new Error('none was shown'), secured)
      }
    })
    server.on('tlsClientError', (error, secured) => end(handshakeUnder(secured), error, secured))
    return server
  }
}
