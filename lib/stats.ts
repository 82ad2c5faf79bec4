/** What a server has counted since it was made. */
export interface Stats {
  /** Requests taken in: connections accepted, datagrams received. */
  accepted: number
  /** Requests refused: `verifyRequest` said no, the queue was full, their TLS handshake failed, or the server closed before anybody took them. */
  refused: number
  /** Datagrams dropped before they became requests: larger than `maxPacketSize`, or the queue was full. */
  dropped: number
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
  return { accepted: 0, refused: 0, dropped: 0, served: 0, failed: 0, bytesIn: 0, bytesOut: 0 }
}

/** What {@link BaseServer.stats} tells. */
export interface ServerStats extends Stats {
  /** Requests handed out that have not gone yet. */
  readonly open: number
  /** Requests that were taken in and wait for somebody to serve them. */
  readonly waiting: number
}
