import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Address } from '../../address.ts'
import { Channel } from '../../iterator/channel.ts'
import type { TLSLimits } from '../../limits.ts'
import type { Listener } from '../../transport.ts'
import { countRefused } from '../request/count-refused.ts'
import { LayeredListener } from '../stream/layered-listener.ts'
import type { Counted } from '../stream/occupancy.ts'
import type { StreamContext } from '../stream/stream-context.ts'
import { StreamRequest } from '../stream/stream-request.ts'
import { type TurnedAway, turnAway } from '../stream/turn-away.ts'
import type { Handshake } from './handshake.ts'
import type { TLSEngine } from './tls-engine.ts'

// At the bound, a handshake that has had this long makes room for somebody new. Honest ones take a few round trips.
const protectedFor = 1_000

/** What a connection keeps through its handshake. */
interface Provenance {
  readonly counted: Counted
  readonly proxied: StreamRequest['proxied']
}

/**
 * Encrypted connections, made of a plain listener's: their handshakes run here, before anybody accepts them.
 *
 * It takes plain connections only while there is room for a handshake. At the bound the others wait, unread, with the
 * plain listener; as soon as the oldest handshake has had a second, the next one that comes takes its place. Whoever is
 * secured waits to be accepted, up to `maxPending`; past it connections are closed, counted and published.
 */
export class TLSListener extends LayeredListener {
  readonly #engine: TLSEngine
  readonly #context: StreamContext & { readonly limits: Readonly<TLSLimits> }
  readonly #secured: Channel<StreamRequest>
  // In the order in which they began.
  readonly #handshakes = new Set<Handshake>()
  #pulling = false
  #failure: unknown
  #discarded = false
  #timer: NodeJS.Timeout | undefined
  #wake: (() => void) | undefined

  /**
   * @param plain - where the connections come from; this one listens and closes it
   * @param engine - does the handshakes
   * @param context - whose they are, where they are counted, with the occupancy of the plain listener, and the limits
   */
  constructor(
    plain: Listener<StreamRequest>,
    engine: TLSEngine,
    context: StreamContext & { readonly limits: Readonly<TLSLimits> }
  ) {
    super(plain)
    this.#engine = engine
    this.#context = context
    this.#secured = new Channel(context.limits)
  }

  override get waiting(): number {
    return this.plain.waiting + this.#handshakes.size + this.#secured.size
  }

  override async listen(): Promise<void> {
    try {
      await this.plain.listen()
    } catch (error) {
      this.#secured.end()
      throw error
    }
    this.#pulling = true
    void this.#pull()
  }

  override accept(): Promise<StreamRequest | undefined> {
    return this.#secured.take()
  }

  override async close(): Promise<void> {
    await this.plain.close()
    if (!this.#pulling) this.#endWhenDone()
  }

  override discard(): void {
    this.#discarded = true
    this.plain.discard()
    for (const handshake of this.#handshakes) handshake.fail(new Error('the server is closing'))
    this.#secured.discard((request) => this.#refuse(request, 'closing'))
    this.#roomMade()
  }

  override limitsChanged(): void {
    super.limitsChanged()
    this.#roomMade()
  }

  async #pull(): Promise<void> {
    try {
      while (true) {
        for (let full = this.#full(); full !== undefined; full = this.#full()) await full
        const request = await this.plain.accept()
        if (request === undefined) break
        this.#begin(request)
      }
    } catch (error) {
      this.#failure = error
    }
    this.#pulling = false
    this.#endWhenDone()
  }

  /** `undefined` where a handshake may begin; else a promise to look again. */
  #full(): Promise<void> | undefined {
    const [oldest] = this.#handshakes
    if (oldest === undefined || this.#handshakes.size < this.#context.limits.maxHandshakes) return undefined
    const left = oldest.begun + protectedFor - performance.now()
    if (left <= 0) return undefined
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#timer = setTimeout(() => this.#roomMade(), Math.ceil(left)).unref()
    })
  }

  #roomMade(): void {
    clearTimeout(this.#timer)
    this.#wake?.()
    this.#wake = undefined
  }

  #begin(request: StreamRequest): void {
    if (this.#discarded) {
      this.#refuse(request, 'closing')
      return
    }
    const { clientAddress, proxied } = request
    let socket: Socket
    let counted: Counted
    try {
      ;({ socket, counted } = request.exchange())
    } catch {
      // It was reset while it waited.
      this.#refuse(request, 'handshake')
      return
    }
    const { limits, server } = this.#context
    const { maxHandshakes } = limits
    const [oldest] = this.#handshakes
    if (oldest !== undefined && this.#handshakes.size >= maxHandshakes) {
      oldest.fail(new Error(`it had to make room (maxHandshakes is ${maxHandshakes})`))
    }
    const ended = (_error: Error | undefined, secured: TLSSocket | undefined): void => {
      this.#handshakes.delete(handshake)
      this.#ended(clientAddress, { counted, proxied }, secured)
    }
    const handshake = this.#engine.handshake(socket, { clientAddress, server }, ended)
    this.#handshakes.add(handshake)
  }

  #ended(clientAddress: Address | undefined, { counted, proxied }: Provenance, secured: TLSSocket | undefined): void {
    const context = this.#context
    this.#roomMade()
    if (secured === undefined) {
      context.occupancy?.leave(counted)
      const reason = this.#discarded ? 'closing' : 'handshake'
      countRefused(context.stats, { server: context.server, clientAddress, reason })
    } else {
      const request = new StreamRequest(secured, clientAddress, context, counted)
      request.cameBy(proxied)
      if (!this.#secured.offer(request)) this.#refuse(request, this.#discarded ? 'closing' : 'pending')
    }
    this.#endWhenDone()
  }

  #refuse(request: StreamRequest, reason: TurnedAway): void {
    turnAway(request, reason, this.#context)
  }

  #endWhenDone(): void {
    if (!this.#pulling && this.#handshakes.size === 0) this.#secured.end(this.#failure)
  }
}
