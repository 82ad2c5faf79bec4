import type { Socket } from 'node:net'
import { nodeIsWanted } from '../native/backend.ts'
import { threadCalls } from '../native/libc.ts'
import { pausedSocket } from './paused-socket.ts'

const F_DUPFD_CLOEXEC = 1030
const firstFree = 3

/** A socket that has come from another process: half-open is not what Node makes it. */
export function adoptSocket(handle: unknown): Socket {
  const socket = handle as Socket
  socket.pause()
  socket.allowHalfOpen = true
  return socket
}

/** Whether threads can take connections by their descriptors. */
export function canAdopt(): boolean {
  return !nodeIsWanted() && threadCalls() !== undefined
}

/**
 * A socket of its own for a connection of another thread, which has the number: a copy, so that each can be closed when
 * its owner likes.
 */
export function adoptDescriptor(fd: number): Socket {
  const calls = threadCalls()
  if (calls === undefined) throw new Error('Cannot take a connection by its descriptor: there are no system calls here')
  const copy = calls.fcntl(fd, F_DUPFD_CLOEXEC, 'int', firstFree)
  if (copy < 0) throw calls.error('fcntl')
  return pausedSocket(copy)
}
