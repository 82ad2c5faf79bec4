import type { BindOptions, Socket } from 'node:dgram'
import { copySocket, unfit } from '../native/inherited-socket.ts'
import { libc, libcMissing } from '../native/libc.ts'

/**
 * Have a `dgram` socket receive by a UDP socket that was made elsewhere.
 *
 * @param socket - not bound; of the same IP
 * @param fd - the descriptor, which stays open where this throws
 * @param bound - called when it receives, by the number of its copy
 */
export function bindInherited(socket: Socket, fd: number, bound: (copy: number) => void): void {
  const copy = copySocket(fd, 'UDP socket')
  // It would take this one for a number that is missing, and bind another socket.
  if (copy === 0) throw unfit('EINVAL', 'Node cannot receive by it; it needs Linux and the package koffi')
  let taken = false
  try {
    socket.bind({ fd: copy, exclusive: true } as BindOptions, () => {
      taken = true
      bound(copy)
    })
  } catch (error) {
    if (libcMissing() === undefined) {
      if (!taken) libc().close(copy)
      throw error
    }
    const { code } = error as NodeJS.ErrnoException
    throw code === 'ERR_INVALID_FD_TYPE' ? unfit('EPROTOTYPE', 'it is not a UDP socket') : error
  }
}
