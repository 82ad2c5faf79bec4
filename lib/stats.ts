/**
 * Why a request was refused.
 *
 * - `verify`: `verifyRequest`, or a stage, said no or threw
 * - `pending`: `maxPending` waited already
 * - `connections`: `maxConnections` were open
 * - `address`: `maxConnectionsPerAddress` of its address were open
 * - `handshake`: its TLS handshake failed
 * - `proxy`: its PROXY header was wrong, late, or from somebody who is not trusted with it
 * - `suspended`: the server was suspended, and by Node's own sockets nobody can wait in the kernel
 * - `closing`: the server closed, and nobody took it
 */
export type RefusalReason =
  | 'verify'
  | 'pending'
  | 'connections'
  | 'address'
  | 'handshake'
  | 'proxy'
  | 'suspended'
  | 'closing'

/**
 * Why a datagram did not become a request: it was larger than `maxPacketSize`, `maxPending` waited already, the server was
 * suspended (by Node's own sockets), or closed and nobody took it.
 */
export type DropReason = 'size' | 'pending' | 'suspended' | 'closing'

/** What a server has counted since it was made. */
export interface Stats {
  /** Requests taken in: connections accepted, datagrams received. */
  accepted: number
  /** Requests refused, for whatever reason. */
  refused: number
  /** The same, by reason. */
  readonly refusedBy: Record<RefusalReason, number>
  /** Datagrams dropped before they became requests, for whatever reason. */
  dropped: number
  /** The same, by reason. */
  readonly droppedBy: Record<DropReason, number>
  /** Requests whose work ended well. */
  served: number
  /** Requests whose work ended with an error, or was cut off. */
  failed: number
  /** Bytes received. */
  bytesIn: number
  /** Bytes handed over to be sent. */
  bytesOut: number
}

/** Counters at zero. */
export function zeroStats(): Stats {
  return {
    accepted: 0,
    refused: 0,
    refusedBy: {
      verify: 0,
      pending: 0,
      connections: 0,
      address: 0,
      handshake: 0,
      proxy: 0,
      suspended: 0,
      closing: 0
    },
    dropped: 0,
    droppedBy: { size: 0, pending: 0, suspended: 0, closing: 0 },
    served: 0,
    failed: 0,
    bytesIn: 0,
    bytesOut: 0
  }
}

/** What is counted so far, which counts no further. */
export function copyOf(stats: Stats): Stats {
  return { ...stats, refusedBy: { ...stats.refusedBy }, droppedBy: { ...stats.droppedBy } }
}

/** What {@link RequestHost.stats} tells. */
export interface ServerStats extends Stats {
  /** Requests handed out that have not gone yet. */
  readonly open: number
  /** Requests that were taken in and wait for somebody to serve them. */
  readonly waiting: number
}
