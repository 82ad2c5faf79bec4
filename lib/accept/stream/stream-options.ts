import type { StreamLimits } from '../../limits.ts'
import type { UnixPathOptions } from '../unix/unix-path.ts'

/** How connections are accepted: checked by the server. */
export interface StreamListenerOptions {
  /** Connections that the kernel holds before they are accepted. */
  readonly backlog: number
  /** The limits, which may change while it listens. */
  readonly limits: Readonly<StreamLimits>
  /** TCP_NODELAY. */
  readonly noDelay: boolean
  /** Whether its clients are known by what a proxy says of them: so they are counted by address when it has. */
  readonly proxied?: boolean
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
  /** Bind where connections of before linger in the kernel; always so by `node:net`. */
  readonly reuseAddress: boolean
}

/** Where a Unix listener listens, and how. */
export interface UnixListenerOptions extends StreamListenerOptions, UnixPathOptions {}

/** A socket that was made elsewhere, and how connections are accepted on it. */
export interface InheritedListenerOptions extends StreamListenerOptions {
  /** It is bound, and listens or can. */
  readonly fd: number
  /** One that listens already keeps its backlog: none was asked for. By `node:net` it cannot. */
  readonly keepsBacklog: boolean
}
