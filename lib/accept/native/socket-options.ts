import { libc } from './libc.ts'

const SOL_SOCKET = 1
const IPPROTO_TCP = 6
const IPPROTO_IPV6 = 41
const SO_REUSEADDR = 2
const SO_TYPE = 3
const SO_BROADCAST = 6
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_KEEPALIVE = 9
const SO_REUSEPORT = 15
const SO_PEERCRED = 17
const SO_ATTACH_FILTER = 26
const SO_ACCEPTCONN = 30
const SO_DOMAIN = 39
const TCP_KEEPIDLE = 4
const IPV6_V6ONLY = 26

/** Options by the names that people know, for `setOption` and `getOption`. */
export const socketOptions = {
  broadcast: [SOL_SOCKET, SO_BROADCAST],
  sendBufferSize: [SOL_SOCKET, SO_SNDBUF],
  receiveBufferSize: [SOL_SOCKET, SO_RCVBUF],
  reusePort: [SOL_SOCKET, SO_REUSEPORT],
  attachFilter: [SOL_SOCKET, SO_ATTACH_FILTER],
  reuseAddress: [SOL_SOCKET, SO_REUSEADDR],
  type: [SOL_SOCKET, SO_TYPE],
  family: [SOL_SOCKET, SO_DOMAIN],
  isListening: [SOL_SOCKET, SO_ACCEPTCONN],
  peerCredentials: [SOL_SOCKET, SO_PEERCRED],
  keepAlive: [SOL_SOCKET, SO_KEEPALIVE],
  keepAliveSeconds: [IPPROTO_TCP, TCP_KEEPIDLE],
  ipv6Only: [IPPROTO_IPV6, IPV6_V6ONLY]
} as const

/** Set an option of a socket to a number, or to bytes. */
export function setOption(fd: number, [level, name]: readonly [number, number], value: number | Buffer): void {
  let bytes = value
  if (typeof bytes === 'number') {
    bytes = Buffer.alloc(4)
    bytes.writeInt32LE(value as number)
  }
  if (libc().setsockopt(fd, level, name, bytes, bytes.length) !== 0) throw libc().error('setsockopt')
}

/** An option of a socket, into bytes. */
export function getOption(fd: number, [level, name]: readonly [number, number], into: Buffer): Buffer {
  if (libc().getsockopt(fd, level, name, into, new Int32Array([into.length])) !== 0) throw libc().error('getsockopt')
  return into
}

/** An option of a socket that is a number. */
export function getNumber(fd: number, option: readonly [number, number]): number {
  return getOption(fd, option, Buffer.alloc(4)).readInt32LE(0)
}
