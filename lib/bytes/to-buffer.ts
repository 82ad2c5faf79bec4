import { isUint8ArrayList } from 'uint8arraylist'
import { show } from '../arguments.ts'
import type { Writable } from '../wfile.ts'

// Copying so little costs less than an entry of its own in the writev; a list of one chunk is not copied at all.
const copyUpTo = 4_096

/**
 * Bytes as one chunk, where that takes no copy or a small one; text as UTF-8.
 *
 * @param bytes - what was given
 * @returns the chunk; `undefined` where they are several, or no bytes at all
 */
export function oneChunk(bytes: Writable): Uint8Array | undefined {
  if (typeof bytes === 'string') return Buffer.from(bytes)
  if (bytes instanceof Uint8Array) return bytes
  // Its iterator is a generator: for the list of one chunk that an echo writes, that is most of what a write costs.
  return isUint8ArrayList(bytes) && bytes.length <= copyUpTo ? bytes.subarray() : undefined
}

/**
 * Bytes as Buffers, without a copy, and text as UTF-8.
 *
 * @param bytes - what was given
 * @param chunks - gets the chunks
 * @returns how many bytes that were
 */
export function appendBuffers(bytes: Writable, chunks: Uint8Array[]): number {
  const one = oneChunk(bytes)
  if (one !== undefined) {
    if (one.length > 0) chunks.push(one)
    return one.length
  }
  if (isUint8ArrayList(bytes)) {
    for (const chunk of bytes) if (chunk.length > 0) chunks.push(chunk)
    return bytes.length
  }
  const hint = typeof (bytes as { then?: unknown } | undefined)?.then === 'function' ? ' (is an await missing?)' : ''
  throw new TypeError(`Cannot write ${show(bytes)}: give bytes or a string${hint}`)
}

/** The same bytes as one Buffer; copied only where they are several chunks. */
export function toBuffer(bytes: Writable): Buffer {
  const chunks: Uint8Array[] = []
  appendBuffers(bytes, chunks)
  return joined(chunks)
}

/** Chunks as one Buffer; one chunk is not copied. */
export function joined(chunks: readonly Uint8Array[]): Buffer {
  const [first] = chunks
  if (first === undefined || chunks.length > 1) return Buffer.concat(chunks)
  return Buffer.isBuffer(first) ? first : Buffer.from(first.buffer, first.byteOffset, first.byteLength)
}
