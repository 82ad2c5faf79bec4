import { int32, loopback } from './client-socket.ts'
import {
  AF_INET,
  AF_UNIX,
  bind,
  checked,
  close,
  connect,
  SO_SNDTIMEO,
  SOCK_DGRAM,
  SOL_SOCKET,
  setsockopt,
  socket
} from './libc.ts'

const secondsToSend = 5

/** The abstract name of a Unix server that has said this number */
export function unixAddress(number: number): Buffer {
  return Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(`\0it-socketserver-bench/${number}`)])
}

/** A Unix socket for which the kernel finds a name, so that it can be answered */
export function namedUnixClient(): number {
  const fd = checked('make a socket', socket(AF_UNIX, SOCK_DGRAM, 0))
  checked('bind a socket', bind(fd, Buffer.from([AF_UNIX, 0]), 2))
  const limit = int32(secondsToSend, 0, 0, 0)
  checked('set SO_SNDTIMEO', setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, limit, limit.length))
  return fd
}

/**
 * A socket that is connected to a datagram server. One says by one number where it is: at an abstract Unix name that has
 * it, or at a UDP port.
 */
export function datagramClient(port: number): number {
  const address = unixAddress(port)
  const unix = namedUnixClient()
  if (connect(unix, address, address.length) === 0) return unix
  close(unix)
  const udp = checked('make a socket', socket(AF_INET, SOCK_DGRAM, 0))
  const server = loopback(port)
  checked('connect to the server', connect(udp, server, server.length))
  return udp
}
