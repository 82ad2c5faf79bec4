import { getOption, socketOptions } from './socket-options.ts'

/** Who is at the other end of a Unix connection, as the kernel knows it: SO_PEERCRED. */
export interface PeerCredentials {
  /** The process that has connected; 0 where it is of another pid namespace. It may have ended, and its id be another's. */
  readonly pid: number
  /** Its effective user id at that time. */
  readonly uid: number
  /** Its effective group id at that time. */
  readonly gid: number
}

/**
 * Who has connected a Unix socket.
 *
 * @param fd - the accepted connection
 */
export function peerCredentials(fd: number): PeerCredentials {
  // struct ucred: pid, uid, gid.
  const bytes = getOption(fd, socketOptions.peerCredentials, Buffer.alloc(12))
  return { pid: bytes.readInt32LE(0), uid: bytes.readUInt32LE(4), gid: bytes.readUInt32LE(8) }
}
