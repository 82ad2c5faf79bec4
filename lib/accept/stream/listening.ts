import type { ListenOptions, Server } from 'node:net'
import { inodeOf, isSocket } from '../native/inherited-socket.ts'
import { libc, libcMissing } from '../native/libc.ts'

/** Listens; rejects with the system's error. */
export function listening(server: Server, target: ListenOptions & { fd?: number }): Promise<undefined> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(target, () => {
      server.off('error', reject)
      resolve(undefined)
    })
  })
}

/**
 * Listens on a descriptor, which is the server's from now on: closed where it could not, as far as there are system calls.
 *
 * @param server - listens
 * @param fd - a bound socket
 * @param backlog - connections that the kernel holds
 */
export async function listeningOn(server: Server, fd: number, backlog: number): Promise<void> {
  const ino = inodeOf(fd)
  try {
    await listening(server, { fd, backlog, exclusive: true })
  } catch (error) {
    // A server that took it and could not listen has closed it, and the number may be another's.
    if (libcMissing() === undefined && isSocket(fd, ino)) libc().close(fd)
    throw error
  }
}
