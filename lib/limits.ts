/** Limits of every server. */
export interface ServerLimits {
  /**
   * Milliseconds from the hand-out of a request to its end: `Infinity` by default. Then it is aborted with cause `timeout`,
   * within a quarter more.
   */
  requestTimeout: number
}

/** Limits of a server with a socket. */
export interface PendingLimits extends ServerLimits {
  /**
   * The most requests that wait in memory for somebody to serve them: 1,024 by default. With the `native` backend they wait
   * in the kernel, as many as it holds: of datagrams this bounds what is taken out of there at the close, of connections
   * only those that have done their TLS handshake. See the README's table of limits.
   */
  maxPending: number
}

/** Limits of a server of connections. */
export interface StreamLimits extends PendingLimits {
  /**
   * The most connections at a time, from their acceptance to the end of their descriptor, or to their `detach()`: 90 % of the
   * descriptors that the process may have, by default. With the `native` backend the next ones wait in the kernel, and an event (`limit`) says
   * so; with the `node` backend they are closed (`refused`, reason `connections`).
   */
  maxConnections: number
  /**
   * The most connections at a time of one IPv4 address, or of one `/64` of IPv6: `Infinity` by default. Others are closed
   * (`refused`, reason `address`).
   * Counted are those accepted since it was set. Without effect on Unix clients, which have no address of their own.
   */
  maxConnectionsPerAddress: number
  /**
   * Milliseconds that a read may wait with nothing coming from the client: `Infinity` by default. Then the request is aborted
   * with cause `idle`, within a quarter more. What is written to the client changes nothing, nor does a handler that computes.
   */
  idleTimeout: number
  /** Milliseconds for which, after the close, the peer's end is awaited: 1,000 by default. Then the connection is destroyed. */
  lingerTimeout: number
  /** Bytes that are read and dropped meanwhile: 16 MiB by default. Then the connection is destroyed. */
  maxLingerBytes: number
}

/** Those that a connection has by itself, wherever it is served. */
export type ConnectionLimits = Pick<StreamLimits, 'idleTimeout' | 'lingerTimeout' | 'maxLingerBytes'>

/** Limits of a TLS server. */
export interface TLSLimits extends StreamLimits {
  /** The most handshakes at once: 8,192 by default. See the README's table of limits. */
  maxHandshakes: number
  /** Milliseconds that a handshake may take: 5 seconds by default. Then it has failed. */
  handshakeTimeout: number
}

/** Limits of a server of datagrams. */
export interface DatagramLimits extends PendingLimits {
  /** A larger datagram is dropped and published: whatever the kernel delivers, by default. Python: `max_packet_size`. */
  maxPacketSize: number
  /**
   * The most replies that wait for room, 1,024 by default; past it a reply fails (`ENOBUFS`). For one Unix peer that does
   * not read at most a quarter of them wait. Over UDP no peer can be full: they wait for room in this machine's own buffer.
   */
  maxQueuedReplies: number
  /**
   * Milliseconds that a reply waits for room: 30 seconds by default; then it fails (`ETIMEDOUT`). Without effect with the
   * `node` backend, where it waits until the system takes it.
   */
  sendTimeout: number
}
