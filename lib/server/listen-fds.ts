import { activatedKind, type ListenFdKind } from '../accept/native/activated-kind.ts'
import { flag, known, show } from '../arguments.ts'
import { ListenError } from '../errors.ts'

/** A descriptor that the service manager has passed on. */
export interface ListenFd {
  /** Its number, for the option `fd` of a server: from 3 on. */
  readonly fd: number
  /** What the service manager calls it (`FileDescriptorName=`, `--fdname=`): `unknown` where it says nothing. */
  readonly name: string
  /**
   * Which server is for it: `tcp`, `unix`, `udp` or `unix-datagram`; `undefined` where it is no such socket, and without the
   * package koffi.
   */
  readonly kind: ListenFdKind | undefined
}

/** How {@link listenFds} looks. */
export interface ListenFdsOptions {
  /** Take the variables out of `process.env`, so that no child takes them for its own: true by default. */
  readonly unset?: boolean
}

const first = 3
const nobody = 'unknown'
const largest = 2 ** 31 - 1 - first

/**
 * The sockets that a service manager has opened for this process: socket activation, by `LISTEN_PID`, `LISTEN_FDS` and
 * `LISTEN_FDNAMES`. They listen before the process begins, so no client is refused while it starts or restarts.
 *
 * Nothing where the variables are for another process: descriptors from 3 on are Node's own then. So a command is started
 * itself, and not by `npm`, whose process it would be for. A second call finds nothing either, unless `unset` is false.
 *
 * A socket that the manager has accepted (`Accept=yes`, `--accept`, inetd) is a connection: no server can listen on it, and
 * its `listen()` throws a {@link ListenError} (`EINVAL`).
 *
 * Resources: a descriptor that is given to no server stays open for as long as the process lives. No child inherits any
 * of them unasked: Node sees to that as it begins.
 * Errors: a {@link ListenError} (`EINVAL`, `EBADF`) where the variables are for this process, or nobody knows for which, and say
 * what cannot be; they are taken out of `process.env` nevertheless.
 *
 * The original: `sd_listen_fds_with_names(3)`.
 *
 * @param options - whether the variables stay
 * @returns the descriptors, in the manager's order
 *
 * @example
 * const [activated] = listenFds()
 * const server = new TCPServer(activated === undefined ? { port: 0 } : { fd: activated.fd })
 * await server.listen()
 * await server.close()
 */
export function listenFds(options: ListenFdsOptions = {}): ListenFd[] {
  known('listenFds', options, ['unset'])
  const unset = flag('unset', options.unset, true)
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = process.env
  if (unset) {
    // The last one is newer, and says who process `LISTEN_PID` is where that number is used again.
    for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID']) delete process.env[name]
  }
  if (pid === undefined || count === undefined) return []
  if (whole('LISTEN_PID', pid) !== process.pid) return []
  const many = whole('LISTEN_FDS', count)
  const called = names === undefined ? undefined : names.split(':')
  if (called !== undefined && called.length !== many) {
    throw unusable('EINVAL', `LISTEN_FDNAMES has ${called.length} names for ${many} descriptors: ${show(names)}`)
  }
  return Array.from({ length: many }, (_, i) => {
    const fd = first + i
    return { fd, name: called?.[i] ?? nobody, kind: kindOf(fd, many) }
  })
}

function whole(name: string, text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number > 0 && number <= largest) return number
  throw unusable('EINVAL', `${name} must be a whole number from 1 to ${largest}: it is ${show(text)}`)
}

function kindOf(fd: number, many: number): ListenFdKind | undefined {
  try {
    return activatedKind(fd)
  } catch (error) {
    const { code = 'EUNKNOWN', message } = error as NodeJS.ErrnoException
    const which = `descriptor ${fd} of ${first} to ${first + many - 1}, which LISTEN_FDS says`
    throw unusable(code, code === 'EBADF' ? `${which}, is not open` : `${which}: ${message}`, error)
  }
}

function unusable(code: string, why: string, cause?: unknown): ListenError {
  return new ListenError(`Cannot take the activated sockets: ${why}`, code, cause)
}
