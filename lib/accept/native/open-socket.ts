import { libc } from './libc.ts'
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from './socket-type.ts'

/**
 * A socket that never blocks, and that no child inherits.
 *
 * @param family - AF_INET, AF_INET6 or AF_UNIX
 * @param type - SOCK_STREAM or SOCK_DGRAM
 * @param prepare - sets options, binds, listens; where it throws the descriptor is closed
 */
export async function openSocket(
  family: number,
  type: number,
  prepare: (fd: number) => void | Promise<void>
): Promise<number> {
  const fd = libc().socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) throw libc().error('socket')
  try {
    await prepare(fd)
  } catch (error) {
    libc().close(fd)
    throw error
  }
  return fd
}
