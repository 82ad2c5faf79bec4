import { libc } from './libc.ts'
import { MSG_DONTWAIT, MSG_PEEK } from './message-flags.ts'
import { received } from './receive.ts'

const most = 4_096
let slab = Buffer.alloc(0)

/**
 * Look at what has come, without taking it.
 *
 * @param fd - never blocks
 * @param wanted - how many bytes; 4,096 at most are looked at
 * @returns the bytes, until the next call; none where the input has ended; `undefined` where it failed (see errno)
 */
export function peek(fd: number, wanted: number): Buffer | undefined {
  if (slab.length === 0) slab = Buffer.allocUnsafeSlow(most)
  const size = libc().recv(fd, slab, Math.min(wanted, most), MSG_DONTWAIT | MSG_PEEK)
  return size < 0 ? undefined : slab.subarray(0, size)
}

/** Take so many bytes of those that were looked at, and drop them. */
export function takePeeked(fd: number, bytes: number): void {
  if (bytes === 0) return
  libc().recv(fd, slab, bytes, MSG_DONTWAIT)
  received.bytes += bytes
}
