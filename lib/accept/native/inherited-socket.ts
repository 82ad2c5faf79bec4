import { fstatSync, type Stats } from 'node:fs'
import { boundAddress } from './bind-socket.ts'
import { libc, libcMissing } from './libc.ts'
import { AF_INET, AF_INET6, AF_UNIX } from './sockaddr.ts'
import { getNumber, socketOptions } from './socket-options.ts'
import { SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from './socket-type.ts'

const F_SETFD = 2
const F_GETFL = 3
const F_SETFL = 4
const F_DUPFD_CLOEXEC = 1030

const FD_CLOEXEC = 1
const STDERR = 2

const internet = [AF_INET, AF_INET6]

const kinds = {
  'TCP socket': { type: SOCK_STREAM, families: internet },
  'Unix stream socket': { type: SOCK_STREAM, families: [AF_UNIX] },
  'UDP socket': { type: SOCK_DGRAM, families: internet },
  'Unix datagram socket': { type: SOCK_DGRAM, families: [AF_UNIX] }
} satisfies Record<string, { type: number; families: number[] }>

/** What a server wants. */
export type SocketKind = keyof typeof kinds

/** How a descriptor that was given is called. */
export function describe(fd: number): string {
  return `descriptor ${fd}`
}

/** An error of a descriptor that was given: a code of the system's, and a clause that says more. */
export function unfit(code: string, clause: string): NodeJS.ErrnoException {
  return Object.assign(new Error(clause), { code, clause })
}

/**
 * A copy of a socket that the process has inherited or made elsewhere, bound, and of the kind that is wanted. No child
 * inherits it, nor the original from now on; and it never blocks, nor does the original, in whichever process, as they
 * share that.
 *
 * A copy, because Node may watch the number that was given already, and a second watcher ends the process. Where there are
 * no system calls it is the descriptor itself, of which only that it is a socket was checked.
 *
 * @param fd - the descriptor, which stays open: see {@link closeOriginal}
 * @param kind - what it must be
 */
export function copySocket(fd: number, kind: SocketKind): number {
  if (!statusOf(fd).isSocket()) throw unfit('ENOTSOCK', 'it is not a socket')
  if (libcMissing() !== undefined) return fd
  const { type, families } = kinds[kind]
  const family = getNumber(fd, socketOptions.family)
  if (!families.includes(family)) throw unfit('EAFNOSUPPORT', `it is not a ${kind}`)
  if (getNumber(fd, socketOptions.type) !== type) throw unfit('EPROTOTYPE', `it is not a ${kind}`)
  const address = boundAddress(fd)
  // Listening would bind it, to any port of every address.
  if (address.family === 'unix' ? address.path === '' : address.port === 0) {
    throw unfit('EINVAL', 'it is not bound to an address')
  }
  const { error, fcntl } = libc()
  const copy = fcntl(fd, F_DUPFD_CLOEXEC, 'int', STDERR + 1)
  if (copy < 0) throw error('fcntl')
  fcntl(fd, F_SETFD, 'int', FD_CLOEXEC)
  fcntl(copy, F_SETFL, 'int', fcntl(copy, F_GETFL, 'int', 0) | SOCK_NONBLOCK)
  return copy
}

/**
 * Have a stream socket listen.
 *
 * @param fd - bound, and of one that listens already or is not connected
 * @param backlog - connections that the kernel holds
 * @param keepsBacklog - leave one that listens already as it is
 */
export function listenOn(fd: number, backlog: number, keepsBacklog: boolean): void {
  if (keepsBacklog && getNumber(fd, socketOptions.isListening) === 1) return
  if (libc().listen(fd, backlog) === 0) return
  const error = libc().error('listen')
  throw error.code === 'EINVAL' ? unfit('EINVAL', 'it is a connection, and cannot listen') : error
}

/**
 * Close what was given, when the server closes: till then it can be passed on. Those of stdin, stdout and stderr stay, and
 * a number that has come to be another's.
 *
 * @param fd - the descriptor that was given
 * @param copy - its copy, still open
 */
export function closeOriginal(fd: number, copy: number): void {
  if (copy !== fd && fd > STDERR && isSocket(fd, inodeOf(copy))) libc().close(fd)
}

/** The inode of an open descriptor. */
export function inodeOf(fd: number): bigint {
  return fstatSync(fd, { bigint: true }).ino
}

/** Whether a descriptor is that socket: as long as that is open no other has its inode. */
export function isSocket(fd: number, ino: bigint): boolean {
  try {
    const found = fstatSync(fd, { bigint: true })
    return found.isSocket() && found.ino === ino
  } catch {
    return false
  }
}

/** Whether it is an IPv6 socket, as far as that can be told. */
export function isIPv6(fd: number): boolean {
  try {
    return statusOf(fd).isSocket() && libcMissing() === undefined && getNumber(fd, socketOptions.family) === AF_INET6
  } catch {
    return false
  }
}

function statusOf(fd: number): Stats {
  try {
    return fstatSync(fd)
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EBADF' ? unfit('EBADF', 'it is not open') : error
  }
}
