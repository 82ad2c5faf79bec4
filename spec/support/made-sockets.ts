import { onTestFinished } from 'vitest'
import { bindSocket, boundAddress } from '../../lib/accept/native/bind-socket.ts'
import { inodeOf, isSocket } from '../../lib/accept/native/inherited-socket.ts'
import { libc } from '../../lib/accept/native/libc.ts'
import { AF_INET, AF_INET6, AF_UNIX, encodeInternet, encodeUnix } from '../../lib/accept/native/sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM } from '../../lib/accept/native/socket-type.ts'
import type { Address } from '../../lib/index.ts'

/** A socket by libc, as another process would make it and pass it on: it blocks. Closed after the test, if it is open. */
export interface MadeSocket {
  readonly fd: number
  readonly address: Address
}

const F_DUPFD_CLOEXEC = 1030

/** A bare one; bound, and listening, where it is said. */
export function madeSocket(
  where: 'IPv4' | 'IPv6' | { readonly path: string },
  type: 'stream' | 'datagram',
  { bound = true, backlog = undefined as number | undefined } = {}
): MadeSocket {
  const family = typeof where === 'object' ? AF_UNIX : where === 'IPv4' ? AF_INET : AF_INET6
  const fd = libc().socket(family, (type === 'stream' ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0)
  if (fd < 0) throw libc().error('socket')
  closedAfterTest(fd)
  if (bound) {
    bindSocket(
      fd,
      typeof where === 'object' ? encodeUnix(where.path) : encodeInternet(where === 'IPv4' ? '127.0.0.1' : '::1', 0)
    )
  }
  if (backlog !== undefined && libc().listen(fd, backlog) !== 0) throw libc().error('listen')
  return { fd, address: boundAddress(fd) }
}

/** Another descriptor of a socket, as another process would have it. Closed after the test. */
export function otherHolder(fd: number): number {
  const other = libc().fcntl(fd, F_DUPFD_CLOEXEC, 'int', 3)
  if (other < 0) throw libc().error('fcntl')
  closedAfterTest(other)
  return other
}

/** A TCP, or Unix, socket that listens. */
export function listeningSocket(where: 'IPv4' | 'IPv6' | { readonly path: string } = 'IPv4'): MadeSocket {
  return madeSocket(where, 'stream', { backlog: 128 })
}

// The number may be another's by then.
function closedAfterTest(fd: number): void {
  const ino = inodeOf(fd)
  onTestFinished(() => {
    if (isSocket(fd, ino)) libc().close(fd)
  })
}
