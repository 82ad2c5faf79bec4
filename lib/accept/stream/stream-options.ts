import type { UnixPathOptions } from '../unix/unix-path.ts'

/** How connections are accepted: checked by the server. */
export interface StreamListenerOptions {
  /** Connections that the kernel holds before they are accepted. */
  readonly backlog: number
  /** The most connections that wait here to be taken. */
  readonly maxPending: number
  /** TCP_NODELAY. */
  readonly noDelay: boolean
  /** Milliseconds of silence before a keep-alive probe; `undefined` for none. */
  readonly keepAlive: number | undefined
}

/** Where a TCP listener listens, and how. */
export interface TCPListenerOptions extends StreamListenerOptions {
  /** A name or a numeric address. */
  readonly host: string
  /** 0 for one that is free. */
  readonly port: number
  /** Don't take IPv4 on an IPv6 address. */
  readonly ipv6Only: boolean
  /** Let several sockets share the address. */
  readonly reusePort: boolean
}

/** Where a Unix listener listens, and how. */
export interface UnixListenerOptions extends StreamListenerOptions, UnixPathOptions {}
