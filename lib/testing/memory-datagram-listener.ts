import { DatagramRequest } from '../accept/datagram/datagram-request.ts'
import { drop } from '../accept/datagram/drop.ts'
import type { Address } from '../address.ts'
import { NotListeningError } from '../errors.ts'
import { accepted } from '../events.ts'
import type { DatagramLimits } from '../limits.ts'
import type { RequestServer } from '../request.ts'
import { datagramRules, limitsOf } from '../server/limit-rules.ts'
import type { DropReason, Stats } from '../stats.ts'
import { MemoryListener, type MemoryListenerOptions } from './memory-listener.ts'

/** Limits of datagrams that never wait for room. */
export type MemoryDatagramLimits = Omit<DatagramLimits, 'maxQueuedReplies' | 'sendTimeout'>

/** Where a memory listener of datagrams seems to be, and its limits. */
export interface MemoryDatagramOptions
  extends MemoryListenerOptions<MemoryDatagramLimits>,
    Partial<MemoryDatagramLimits> {}

/** Datagrams from within the process: what {@link MemoryDatagramServer} listens by. */
export class MemoryDatagramListener extends MemoryListener<DatagramRequest> {
  readonly #limits: Readonly<MemoryDatagramLimits>

  /**
   * @param options - its address and its bounds
   * @param owner - the server whose requests they are
   * @param stats - where they are counted
   */
  constructor(options: MemoryDatagramOptions, owner: RequestServer, stats: Stats) {
    const { address, limits = limitsOf(datagramRules, options) } = options
    super(address, limits, owner, stats)
    this.#limits = limits
  }

  /**
   * Send a datagram.
   *
   * @param packet - its bytes, which are copied
   * @param clientAddress - where the client seems to be: a Unix client that has no address, by default
   * @returns the reply, when the request has gone; `undefined` where there is none
   */
  async send(packet: Uint8Array, clientAddress: Address = { family: 'unix', path: '' }): Promise<Buffer | undefined> {
    if (!this.listening) throw new NotListeningError('Cannot send a datagram: the server does not listen')
    if (packet.length > this.#limits.maxPacketSize) {
      drop(this.stats, { server: this.owner, clientAddress, bytes: packet.length, reason: 'size' })
      return undefined
    }
    let reply: Buffer | undefined
    const request = new DatagramRequest(this.owner, Buffer.from(packet), clientAddress, (bytes) => {
      this.stats.bytesOut += bytes.length
      reply = Buffer.from(bytes)
    })
    if (!this.arrive(request)) return undefined
    this.stats.accepted++
    this.stats.bytesIn += packet.length
    if (accepted.hasSubscribers) accepted.publish({ server: this.owner, clientAddress })
    await new Promise<void>((resolve) => request.whenClosed(() => resolve()))
    return reply
  }

  /** Drop one, counted and published. */
  protected override refuse(request: DatagramRequest, reason: DropReason): void {
    const { clientAddress, packet } = request
    drop(this.stats, { server: this.owner, clientAddress, bytes: packet.length, reason })
    request.refuse('it was dropped')
  }
}
