import {
  type DatagramListenerOptions,
  isGroup,
  type MulticastGroup,
  versionOf
} from '../accept/datagram/datagram-options.ts'
import type { ProxyProtocolOptions } from '../accept/proxy/proxy-options.ts'
import { isAbstract, type UnixPathOptions } from '../accept/unix/unix-path.ts'
import { flag, integer, known, milliseconds, show, text } from '../arguments.ts'
import type { DatagramLimits, StreamLimits } from '../limits.ts'
import { datagramRules } from './limit-rules.ts'

/** Where an IP server listens. */
export interface HostOptions {
  /** A name or a numeric address: `127.0.0.1` by default; `::` for every address of the machine. */
  readonly host?: string
  /** The port; 0, the default, for one that is free. */
  readonly port?: number
  /** Don't take IPv4 on an IPv6 address: false by default. An error where `host` is a numeric IPv4 address. */
  readonly ipv6Only?: boolean
  /** Let several sockets share the port (SO_REUSEPORT): false by default; by Node's own sockets from 22.12 on. */
  readonly reusePort?: boolean
  /**
   * In place of all these: a socket that this process has inherited, or made elsewhere, by its descriptor; it is bound, and
   * of connections it listens or can. Once `listen()` has succeeded it is the server's: open, to be passed on, until the
   * server closes it. It is never shut down, and who waits in its backlog at the close is left to others who have the socket;
   * where nobody has, the kernel resets them. Others get no datagrams that `node:dgram` receives after the close, while the
   * last replies leave.
   *
   * Nothing else in this process may close it. It becomes non-blocking for all who share it, and no child inherits it
   * unasked. `fileno()` is a copy. What is no such socket stays the caller's, and is a {@link ListenError}: `EBADF`,
   * `ENOTSOCK`, `EPROTOTYPE`, `EAFNOSUPPORT`, `EINVAL` (not bound, or a connection). Without the package koffi
   * children inherit it, and some of that is found out by Node alone, which closes it.
   */
  readonly fd?: number
}

/** Where a Unix server listens. */
export interface PathOptions {
  /**
   * The path of the socket, 107 bytes at most. Where nobody answers at a socket that stands there, it is replaced; all
   * else that stands there (a live socket, a file, a symbolic link) stays, and the error is `EADDRINUSE`. At the close it
   * is removed, where it is still this server's. On Linux a name that begins with a NUL is abstract: there is no file
   * (`\0name`; needs the package koffi), and so no `mode`, `uid` or `gid`. Required where there is no `fd`.
   */
  readonly path?: string
  /** Permissions of the socket file, `0o660` say: what the umask leaves by default. Not on Windows. */
  readonly mode?: number
  /** User id of its owner: the process's by default. Not on Windows. */
  readonly uid?: number
  /** Group id of its owner: the process's by default. Not on Windows. */
  readonly gid?: number
  /**
   * In place of all these, a socket that this process has inherited or made elsewhere: see {@link HostOptions.fd}. Its path
   * is never removed. Without the package koffi nobody can tell its path, which is empty then.
   */
  readonly fd?: number
}

/** Options of a server of datagrams. */
export interface DatagramServerOptions extends Partial<DatagramLimits> {
  /** Bytes that the kernel holds of what has come (SO_RCVBUF): the system's default. */
  readonly receiveBufferSize?: number
  /** Bytes that the kernel holds of what has not left (SO_SNDBUF): the system's default. */
  readonly sendBufferSize?: number
}

/** Options of a server of connections. */
export interface StreamServerOptions extends Partial<StreamLimits> {
  /**
   * Connections that the kernel holds before they are accepted: 511 by default; a socket given by `fd` that listens already
   * keeps its own by default, but by Node's own sockets. Python: `request_queue_size`.
   */
  readonly backlog?: number
  /**
   * All connections come by proxies that say in a PROXY header, of version 1 or 2, where the client is (haproxy's
   * `send-proxy`, AWS' load balancers, Envoy, …): the header is read before `verifyRequest`, and on TLS before the handshake;
   * `clientAddress` becomes the client's, and `request.proxy` holds all that was said. Of the proxy's own connections
   * (`LOCAL`: health checks), and where it could not tell (`UNKNOWN`), it stays the proxy's.
   *
   * It never guesses: a connection without a header, with a wrong one, one that does not come in time or from somebody who
   * is not trusted, is closed at once, counted as refused and published with the reason `proxy`; the channel
   * `it-socketserver:proxy` says why. Without this option no header is ever looked for.
   *
   * @example
   * const server = await new TCPServer({
   *   host: '127.0.0.1',
   *   port: 0,
   *   proxyProtocol: { trust: ['127.0.0.0/8', '10.0.0.0/8'], timeout: 3000 }
   * }).listen()
   * const outcome = server.handleRequest((request) => request.wfile.write(formatAddress(request.clientAddress)))
   * const reply = await exchange(server.address, 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n')
   * assert.equal(reply, '192.0.2.7:4711')
   * assert.equal((await outcome)?.request.proxy?.version, 1)
   * await server.close()
   */
  readonly proxyProtocol?: ProxyProtocolOptions
}

const maxPort = 65_535
const maxBacklog = 2 ** 31 - 1
const maxDescriptor = 2 ** 31 - 1

export function backlogOption({ backlog }: StreamServerOptions): number {
  return integer('backlog', backlog, 511, { min: 1, max: maxBacklog })
}

/** The names of {@link HostOptions}. */
export const hostNames = ['host', 'port', 'ipv6Only', 'reusePort', 'fd']
/** The names of {@link PathOptions}. */
export const pathNames = ['path', 'mode', 'uid', 'gid', 'fd']
/** The names of {@link DatagramServerOptions}. */
export const datagramNames = [...Object.keys(datagramRules), 'receiveBufferSize', 'sendBufferSize']

/** `fd`: a descriptor, beside which nothing says where to listen. */
export function fdOption(options: { readonly fd?: number }, places: readonly string[]): number | undefined {
  const { fd } = options
  if (fd === undefined) return undefined
  for (const name of places) {
    if (name === 'fd' || options[name as never] === undefined) continue
    throw new TypeError(`Option fd is a socket that is bound already: there is no place for ${name} beside it`)
  }
  return integer('fd', fd, 0, { min: 0, max: maxDescriptor })
}

const anyId = { min: 0, max: 2 ** 32 - 2 }
const anySize = { min: 1, max: 2 ** 31 - 1 }

/** Checks an option that has no value of its own. */
export function optional<T>(value: T | undefined, check: (value: T) => T): T | undefined {
  return value === undefined ? undefined : check(value)
}

export function pathOptions({ path: given, mode, uid, gid }: PathOptions): UnixPathOptions {
  const abstract = typeof given === 'string' && given.length > 1 && isAbstract(given)
  const path = abstract ? given : text('path', given, undefined)
  if (abstract || process.platform === 'win32') {
    for (const [name, value] of Object.entries({ mode, uid, gid })) {
      if (value === undefined) continue
      throw new TypeError(`Option ${name} is for a socket file: ${abstract ? 'an abstract name' : 'a pipe'} has none`)
    }
  }
  return {
    path,
    mode: optional(mode, (value) => integer('mode', value, 0, { min: 0, max: 0o777 })),
    uid: optional(uid, (value) => integer('uid', value, 0, anyId)),
    gid: optional(gid, (value) => integer('gid', value, 0, anyId))
  }
}

export function datagramOptions(
  options: DatagramServerOptions,
  limits: Readonly<DatagramLimits>
): DatagramListenerOptions {
  return {
    limits,
    receiveBufferSize: optional(options.receiveBufferSize, (value) => integer('receiveBufferSize', value, 0, anySize)),
    sendBufferSize: optional(options.sendBufferSize, (value) => integer('sendBufferSize', value, 0, anySize))
  }
}

/** `multicast`: each a group that can be heard at the host, and the interface by which it is received. */
export function multicastOption(
  groups: readonly MulticastGroup[] | undefined,
  { host, ipv6Only, fd }: { readonly host: string; readonly ipv6Only: boolean; readonly fd?: number | undefined }
): readonly MulticastGroup[] {
  if (groups === undefined) return []
  if (!Array.isArray(groups)) throw new TypeError(`Option multicast must be an array: got ${show(groups)}`)
  return groups.map((given: MulticastGroup) => {
    known('multicast', given, ['group', 'interface'])
    const version = versionOf(given.group)
    if (version === undefined || !isGroup(given.group)) {
      throw new TypeError(`A multicast group is a numeric address of multicast: got ${show(given.group)}`)
    }
    // A name is looked up as IPv4; of what was made elsewhere the kernel knows.
    if (fd === undefined && (version === 6 ? versionOf(host) !== 6 : ipv6Only)) {
      throw new TypeError(`The multicast group ${given.group} cannot be heard at ${host}, by IPv${10 - version}`)
    }
    if (given.interface !== undefined) text('interface', given.interface, undefined)
    return given
  })
}

export function hostOptions(
  options: HostOptions,
  native = false
): {
  host: string
  port: number
  ipv6Only: boolean
  reusePort: boolean
} {
  const reusePort = flag('reusePort', options.reusePort, false)
  if (reusePort && !native && !nodeHasReusePort()) {
    throw new TypeError(`Option reusePort needs Node 22.12 or later here: this is ${process.version}`)
  }
  const host = text('host', options.host, '127.0.0.1')
  const port = integer('port', options.port, 0, { min: 0, max: maxPort })
  const ipv6Only = flag('ipv6Only', options.ipv6Only, false)
  if (ipv6Only && versionOf(host) === 4) throw new TypeError(`Option ipv6Only needs an IPv6 host: got ${host}`)
  return { host, port, ipv6Only, reusePort }
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
