import type { Duplex } from 'node:stream'
import { Occupancy } from '../accept/stream/occupancy.ts'
import type { StreamContext } from '../accept/stream/stream-context.ts'
import { StreamRequest } from '../accept/stream/stream-request.ts'
import { type TurnedAway, turnAway } from '../accept/stream/turn-away.ts'
import type { Address } from '../address.ts'
import { accepted } from '../events.ts'
import type { StreamLimits } from '../limits.ts'
import type { RequestServer } from '../request.ts'
import { limitsOf, streamRules } from '../server/limit-rules.ts'
import type { Stats } from '../stats.ts'
import { MemoryListener, type MemoryListenerOptions } from './memory-listener.ts'
import { MemorySocket, refusedConnection } from './memory-socket.ts'

type Socket = ConstructorParameters<typeof StreamRequest>[0]

/** Where a memory listener of connections seems to be, and its limits. */
export interface MemoryStreamOptions extends MemoryListenerOptions<StreamLimits>, Partial<StreamLimits> {}

/** Connections from within the process: what {@link MemoryServer} listens by. */
export class MemoryStreamListener extends MemoryListener<StreamRequest> {
  readonly #context: StreamContext & { readonly occupancy: Occupancy }

  /**
   * @param options - its address and its limits
   * @param owner - the server whose requests they are
   * @param stats - where they are counted
   */
  constructor(options: MemoryStreamOptions, owner: RequestServer, stats: Stats) {
    const { address, limits = limitsOf(streamRules, options) } = options
    super(address, limits, owner, stats)
    this.#context = { server: owner, stats, limits, noDelay: false, occupancy: new Occupancy(limits, () => {}) }
  }

  /**
   * Connect.
   *
   * @param clientAddress - where the client seems to be: a Unix client that has no address, by default
   * @returns the client's end; it fails with `ECONNREFUSED` where nobody listens
   */
  connect(clientAddress: Address = { family: 'unix', path: '' }): Duplex {
    const [client, socket] = MemorySocket.pair()
    if (!this.listening) return client.destroy(refusedConnection())
    // What a request asks of its socket, this has.
    const { occupancy } = this.#context
    const { isFull } = occupancy
    const counted = isFull ? undefined : occupancy.count(clientAddress)
    occupancy.enter()
    const isCounted = counted !== false
    const like = socket as unknown as Socket
    const request = new StreamRequest(like, clientAddress, this.#context, isCounted ? counted : undefined)
    if (isFull || !isCounted) this.refuse(request, isFull ? 'connections' : 'address')
    else if (this.arrive(request)) {
      this.stats.accepted++
      if (accepted.hasSubscribers) accepted.publish({ server: this.owner, clientAddress })
    }
    return client
  }

  /** Turn one away, counted and published. */
  protected override refuse(request: StreamRequest, reason: TurnedAway): void {
    turnAway(request, reason, this.#context)
  }
}
