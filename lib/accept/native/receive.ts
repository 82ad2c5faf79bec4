import { libc } from './libc.ts'
import { MSG_DONTWAIT } from './message-flags.ts'

// Small reads share their memory, as Node's small Buffers do: whoever keeps one keeps no more than this.
const poolSize = 8_192
// What is asked for where little is expected.
const small = 1_024
/** A read of so many bytes lets as many be expected again. */
export const worthAsking = small
const large = 65_536
// A read of this much keeps the memory that it was read into; less is copied out.
const worthKeeping = 16_384

let pool = Buffer.alloc(0)
let used = 0
// What discarded bytes, and middling reads, are read into.
let slab = Buffer.alloc(0)

/** What the last {@link receive} came to: one for all, since it is looked at before anything else happens. */
export const received = {
  /** Bytes; 0 at the end of the input, -1 where it failed (see errno). */
  size: 0,
  /** Whether all that was asked for has come: there may be more. */
  full: false,
  /** Bytes of all calls so far. */
  bytes: 0
}

/**
 * Read what has come, at most 64 KiB of it.
 *
 * @param fd - never blocks
 * @param bulk - whether much is expected
 * @returns the bytes, in memory that nobody else has; `undefined` where there are none: {@link received} tells why
 */
export function receive(fd: number, bulk: boolean): Buffer | undefined {
  return bulk ? receiveLarge(fd) : receiveSmall(fd)
}

/** Read what has come, and drop it. */
export function receiveNothing(fd: number): undefined {
  if (slab.length === 0) slab = Buffer.allocUnsafeSlow(large)
  ask(fd, slab)
  return undefined
}

function receiveSmall(fd: number): Buffer | undefined {
  if (used + small > pool.length) {
    pool = Buffer.allocUnsafeSlow(poolSize)
    used = 0
  }
  const room = pool.subarray(used, used + small)
  const size = ask(fd, room)
  if (size <= 0) return undefined
  // The next begins where a word does.
  used += (size + 7) & ~7
  return size === small ? room : room.subarray(0, size)
}

function receiveLarge(fd: number): Buffer | undefined {
  if (slab.length === 0) slab = Buffer.allocUnsafeSlow(large)
  const size = ask(fd, slab)
  if (size <= 0) return undefined
  const bytes = slab.subarray(0, size)
  if (size < worthKeeping) return Buffer.from(bytes)
  slab = Buffer.allocUnsafeSlow(large)
  return bytes
}

function ask(fd: number, room: Buffer): number {
  const size = libc().recv(fd, room, room.length, MSG_DONTWAIT)
  received.size = size
  received.full = size === room.length
  if (size > 0) received.bytes += size
  return size
}
