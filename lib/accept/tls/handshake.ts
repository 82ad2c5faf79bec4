import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type Address, formatAddress } from '../../address.ts'
import { AbortedError } from '../../errors.ts'
import { handshake as handshakes } from '../../events.ts'
import type { RequestServer } from '../../request.ts'

/** Whose handshake it is. */
export interface HandshakeOrigin {
  /** Where the client is. */
  readonly clientAddress: Address | undefined
  /** Whose client it is. */
  readonly server: RequestServer
}

/** Called once: with why it failed, or with the encrypted socket. */
export type HandshakeEnded = (error: Error | undefined, secured: TLSSocket | undefined) => void

const handshakeOf = Symbol('handshake')

interface Carrier extends Socket {
  [handshakeOf]?: Handshake | undefined
}

/** A socket of Node's around a stream. */
export interface StreamWrap {
  allowHalfOpen: boolean
  /** The stream. */
  readonly stream?: object
}

function onClose(this: Carrier): void {
  const handshake = this[handshakeOf]
  // The server tells of it in this turn, and says why; where it did not, nobody else would.
  if (handshake !== undefined) setImmediate(() => handshake.fail(new Error('the connection has closed')))
}

/** What Node has put around a stream that stands for a socket, under an encrypted socket: known as little as `_parent`. */
export function wrapOf(secured: TLSSocket): StreamWrap | undefined {
  return (secured as TLSSocket & { readonly _handle?: { readonly _parentWrap?: StreamWrap } })._handle?._parentWrap
}

/**
 * The handshake that an encrypted socket comes from, while it lasts.
 *
 * Node gives no public way from the encrypted socket back to the plain one that it was given: TLSSocket has kept it in
 * `_parent` since Node 0.11, and spec/accept/tls-engine.spec.ts fails on a Node where it does not. No handshake would
 * succeed there, but nobody would get another one's connection.
 */
export function handshakeUnder(secured: TLSSocket): Handshake | undefined {
  const { _parent: parent } = secured as TLSSocket & { readonly _parent?: Carrier }
  return (parent ?? (wrapOf(secured)?.stream as Carrier | undefined))?.[handshakeOf]
}

/** One TLS handshake of a connection. */
export class Handshake {
  /** When it began, by `performance.now()`. */
  readonly begun = performance.now()
  readonly #socket: Carrier
  readonly #from: HandshakeOrigin
  readonly #ended: HandshakeEnded
  #blamed: Error | undefined

  /**
   * @param socket - the plain connection
   * @param from - where it comes from
   * @param ended - called once
   */
  constructor(socket: Socket, from: HandshakeOrigin, ended: HandshakeEnded) {
    this.#socket = socket
    this.#from = from
    this.#ended = ended
    this.#socket[handshakeOf] = this
    socket.on('close', onClose)
  }

  /** It was done. */
  succeed(secured: TLSSocket): void {
    if (this.#blamed !== undefined || !this.#over()) return
    if (handshakes.hasSubscribers) {
      const { server, clientAddress } = this.#from
      handshakes.publish({ server, clientAddress, elapsed: performance.now() - this.begun })
    }
    this.#ended(undefined, secured)
  }

  /** It has failed: the connection goes as soon as this turn is over, for this reason whatever comes meanwhile. */
  failLater(origin: Error): void {
    this.#blamed ??= origin
    setImmediate(() => this.fail(origin))
  }

  /** It has failed, or was cut: the connection goes. Only the first end counts. */
  fail(reason: Error): void {
    if (!this.#over()) return
    const origin = this.#blamed ?? reason
    this.#socket.destroy()
    if (handshakes.hasSubscribers) {
      const { server, clientAddress } = this.#from
      const why = `The TLS handshake with ${formatAddress(clientAddress)} failed: ${origin.message}`
      const error = new AbortedError(why, 'handshake', origin)
      handshakes.publish({ server, clientAddress, elapsed: performance.now() - this.begun, error })
    }
    this.#ended(origin, undefined)
  }

  #over(): boolean {
    if (this.#socket[handshakeOf] !== this) return false
    this.#socket[handshakeOf] = undefined
    this.#socket.off('close', onClose)
    return true
  }
}
