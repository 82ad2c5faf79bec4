import type { Duplex } from 'node:stream'
import { StreamRequest } from '../accept/stream/stream-request.ts'
import { turnAway } from '../accept/stream/turn-away.ts'
import type { Address } from '../address.ts'
import { accepted } from '../events.ts'
import { MemoryListener } from './memory-listener.ts'
import { MemorySocket, refusedConnection } from './memory-socket.ts'

type Socket = ConstructorParameters<typeof StreamRequest>[0]

/** Connections from within the process: what {@link MemoryServer} listens by. */
export class MemoryStreamListener extends MemoryListener<StreamRequest> {
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
    const request = new StreamRequest(socket as unknown as Socket, this.owner, clientAddress, this.stats, false)
    if (this.arrive(request)) {
      this.stats.accepted++
      if (accepted.hasSubscribers) accepted.publish({ clientAddress })
    }
    return client
  }

  /** Turn one away, counted and published. */
  protected override refuse(request: StreamRequest, reason: 'pending' | 'closing'): void {
    turnAway(request, reason, this.maxPending, this.stats)
  }
}
