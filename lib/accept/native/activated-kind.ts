import { fstatSync } from 'node:fs'
import { libcMissing } from './libc.ts'
import { AF_INET, AF_INET6, AF_UNIX } from './sockaddr.ts'
import { getNumber, socketOptions } from './socket-options.ts'
import { SOCK_DGRAM, SOCK_STREAM } from './socket-type.ts'

/** The kinds of sockets that there are servers for: of connections over TCP, of datagrams over UDP, and their Unix sisters. */
export type ListenFdKind = 'tcp' | 'udp' | 'unix' | 'unix-datagram'

/**
 * What a descriptor is that this process was begun with. Node has seen to it that no child inherits it.
 *
 * @param fd - the descriptor
 * @returns `undefined` for anything else, and where that cannot be told
 * @throws the system's error, where it is not open
 */
export function activatedKind(fd: number): ListenFdKind | undefined {
  if (!fstatSync(fd).isSocket() || libcMissing() !== undefined) return undefined
  const isStream = getNumber(fd, socketOptions.type) === SOCK_STREAM
  if (!isStream && getNumber(fd, socketOptions.type) !== SOCK_DGRAM) return undefined
  switch (getNumber(fd, socketOptions.family)) {
    case AF_INET:
    case AF_INET6:
      return isStream ? 'tcp' : 'udp'
    case AF_UNIX:
      return isStream ? 'unix' : 'unix-datagram'
    default:
      return undefined
  }
}
