import type { Socket } from 'node:net'
import { createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls'
import type { Address } from '../../address.ts'
import { text } from '../../arguments.ts'
import { Handshake, type HandshakeEnded, handshakeUnder } from './handshake.ts'
import { checkMaterial, secureContext, withMaterial } from './tls-material.ts'
import {
  contextNames,
  contextOptions,
  identityNames,
  pick,
  type SecureContextOptions,
  type TLSOptions,
  tlsOptions
} from './tls-options.ts'

interface Named {
  readonly options: SecureContextOptions
  readonly context: SecureContext
}

function reasonOf(error: Error, { authorizationError }: TLSSocket): Error {
  if (!authorizationError) return error
  return new Error(`the client's certificate was not accepted (${String(authorizationError)})`, { cause: error })
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
  addContext(servername: string, given: SecureContextOptions): void {
    const what = 'addContext'
    const name = text('servername', servername, undefined)
    const options = contextOptions(what, given)
    if (this.#options.SNICallback !== undefined) {
      throw new TypeError('Cannot add a context: the SNICallback of the server chooses them')
    }
    const context = this.#contextOf(what, this.#options, options)
    const isNew = !this.#named.has(name)
    this.#named.set(name, { options, context })
    if (isNew) this.#server.addContext(name, context)
    else {
      // Nothing takes a context out of a tls.Server. With the same ticket keys sessions can be resumed as before.
      const ticketKeys = this.#server.getTicketKeys()
      this.#server = this.#serverOf(what, { ...this.#options, ticketKeys }, this.#named)
    }
  }

  /**
   * Begin a handshake.
   *
   * @param socket - a plain connection that nobody reads; it is closed where the handshake fails
   * @param clientAddress - where it comes from
   * @param ended - called once, never at once
   */
  handshake(socket: Socket, clientAddress: Address | undefined, ended: HandshakeEnded): Handshake {
    const handshake = new Handshake(socket, clientAddress, ended)
    // A client that ends in the handshake will never be secured; afterwards the half-open is allowed again.
    socket.allowHalfOpen = false
    try {
      if (socket.destroyed) throw new Error('the connection has closed')
      this.#server.emit('connection', socket)
    } catch (error) {
      socket.on('error', () => {})
      setImmediate(() => handshake.fail(error as Error))
    }
    return handshake
  }

  #contextOf(what: string, base: TLSOptions, own: SecureContextOptions): SecureContext {
    // Who it is by its own name says nothing about who it is by another.
    const shared = pick(
      base,
      contextNames.filter((name) => !identityNames.includes(name))
    )
    return secureContext(what, { ...shared, ...own })
  }

  #serverOf(what: string, options: TLSOptions, named: ReadonlyMap<string, Named>): Server {
    checkMaterial(what, options)
    const server = withMaterial(what, options, () =>
      createServer({ ...options, allowHalfOpen: true, pauseOnConnect: true })
    )
    for (const [name, { context }] of named) server.addContext(name, context)
    server.on('secureConnection', (secured) => {
      secured.allowHalfOpen = true
      const handshake = handshakeUnder(secured)
      if (handshake === undefined) secured.destroy()
      else handshake.succeed(secured)
    })
    server.on('tlsClientError', (error, secured) => {
      handshakeUnder(secured)?.fail(reasonOf(error, secured))
      secured.destroy()
    })
    return server
  }
}
