import { Socket } from 'node:net'

/** A socket of Node's that owns a descriptor from now on, half-open allowed, and reads nothing before it is resumed. */
export function pausedSocket(fd: number): Socket {
  // Not known to the types.
  const options = { fd, allowHalfOpen: true, pauseOnCreate: true }
  return new Socket(options)
}
