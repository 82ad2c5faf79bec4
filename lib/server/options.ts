import { count, flag, integer, milliseconds, text } from '../arguments.ts'

/** Options of every server with a socket. */
export interface PendingOptions {
  /** The most requests that wait for somebody to serve them: 1,024 by default. See the README's table of limits. */
  readonly maxPending?: number
}

/** Where an IP server listens. */
export interface HostOptions extends PendingOptions {
  /** A name or a numeric address: `127.0.0.1` by default; `::` for every address of the machine. */
  readonly host?: string
  /** The port; 0, the default, for one that is free. */
  readonly port?: number
  /** Don't take IPv4 on an IPv6 address: false by default. */
  readonly ipv6Only?: boolean
  /** Let several sockets share the port (SO_REUSEPORT): false by default; Node 22.12 or later. */
  readonly reusePort?: boolean
}

/** Options of a server of connections. */
export interface StreamServerOptions extends PendingOptions {
  /** Connections that the kernel holds before they are accepted: 511 by default. Python: `request_queue_size`. */
  readonly backlog?: number
}

const maxPort = 65_535
const maxBacklog = 2 ** 31 - 1

export function pendingOption({ maxPending }: PendingOptions): number {
  return count('maxPending', maxPending, 1_024)
}

export function backlogOption({ backlog }: StreamServerOptions): number {
  return integer('backlog', backlog, 511, { min: 1, max: maxBacklog })
}

export function hostOptions(options: HostOptions): {
  host: string
  port: number
  ipv6Only: boolean
  reusePort: boolean
} {
  const reusePort = flag('reusePort', options.reusePort, false)
  if (reusePort && !nodeHasReusePort()) {
    throw new TypeError(`Option reusePort needs Node 22.12 or later: this is ${process.version}`)
  }
  return {
    host: text('host', options.host, '127.0.0.1'),
    port: integer('port', options.port, 0, { min: 0, max: maxPort }),
    ipv6Only: flag('ipv6Only', options.ipv6Only, false),
    reusePort
  }
}

/** `keepAlive`: true is Node's default of no delay of its own, a number the delay in milliseconds. */
export function keepAliveOption(value: boolean | number | undefined): number | undefined {
  if (value === undefined || value === false) return undefined
  if (value === true) return 0
  return milliseconds('keepAlive', value, 0)
}

function nodeHasReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
}
