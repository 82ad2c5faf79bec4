import type { TLSSocket } from 'node:tls'
import { known } from '../../arguments.ts'
import { deferred } from '../../iterator/deferred.ts'
import type { SocketFlow } from '../stream/socket-flow.ts'
import type { HandshakeOrigin } from './handshake.ts'
import { TLSEngine } from './tls-engine.ts'
import { type TLSOptions, tlsOptionNames } from './tls-options.ts'

/** Whose connection is upgraded. */
export interface UpgradeHost extends HandshakeOrigin {
  /** It has failed: abort. */
  upgradeFailed(error: Error): void
  /** It is done. */
  upgraded(): void
}

// A TLS connection begins with a record of this type: the handshake's.
const handshakeRecord = 0x16

const engines = new WeakMap<TLSOptions, TLSEngine>()

/**
 * The engine of these options: made at the first use, and again only for another object.
 *
 * @param options - of TLS
 * @param what - who takes them, for error messages
 */
export function engineOf(options: TLSOptions, what = 'startTLS'): TLSEngine {
  let engine = engines.get(options)
  if (engine === undefined) {
    known(what, options, tlsOptionNames)
    engine = new TLSEngine(what, options)
    engines.set(options, engine)
  }
  return engine
}

/** Makes a connection an encrypted one, in its middle: STARTTLS. */
export class Upgrade {
  readonly #flow: SocketFlow
  readonly #engine: TLSEngine
  readonly #host: UpgradeHost
  readonly #done = deferred<void>()
  #isCut = false
  #timer: NodeJS.Timeout | undefined

  constructor(flow: SocketFlow, engine: TLSEngine, host: UpgradeHost) {
    this.#flow = flow
    this.#engine = engine
    this.#host = host
  }

  /** Settles when the connection is encrypted, or the request was aborted. */
  run(): Promise<void> {
    const flow = this.#flow
    const early = flow.suspend()
    if (!this.#refuses(early)) {
      const lost = flow.writer.hold(() => this.#begin(early))
      if (lost !== undefined) this.#host.upgradeFailed(lost)
      else if (flow.writer.length > 0) this.#watch()
    }
    return this.#done.promise
  }

  /** The request was aborted. */
  cut(error: Error): void {
    this.#isCut = true
    clearTimeout(this.#timer)
    this.#done.reject(error)
  }

  // A peer that does not read what was written before would never be asked for its handshake.
  #watch(): void {
    const { handshakeTimeout } = this.#engine
    this.#timer = setTimeout(() => {
      this.#host.upgradeFailed(new Error(`what was written before it has not left for ${handshakeTimeout} ms`))
    }, handshakeTimeout).unref()
  }

  /** Whether bytes that were not asked for are anything but a handshake; the request is aborted then. */
  #refuses(early: Buffer): boolean {
    if (early.length === 0 || early[0] === handshakeRecord) return false
    this.#host.upgradeFailed(new Error(`${early.length} bytes of plain text came behind the command to start it`))
    return true
  }

  #begin(read: Buffer): void {
    clearTimeout(this.#timer)
    if (this.#isCut) return
    const { socket } = this.#flow
    const unread = socket.read() as Buffer | null
    const early = unread === null ? read : Buffer.concat([read, unread])
    if (this.#refuses(early)) return
    if (this.#flow.inputOver) {
      this.#host.upgradeFailed(new Error('the client has ended its output'))
      return
    }
    // A copy: the engine may look at it when its memory is somebody else's.
    if (early.length > 0) socket.unshift(Buffer.from(early))
    this.#engine.handshake(this.#flow.lend(), this.#host, this.#ended)
  }

  readonly #ended = (error: Error | undefined, secured: TLSSocket | undefined): void => {
    if (secured !== undefined && !this.#isCut) {
      this.#flow.adopt(secured)
      this.#host.upgraded()
      this.#done.resolve()
      return
    }
    secured?.destroy()
    this.#host.upgradeFailed(error ?? new Error('the request has ended'))
    this.#flow.reclaim()
  }
}
