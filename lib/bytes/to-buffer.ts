import { isUint8ArrayList } from 'uint8arraylist'
import { show } from '../arguments.ts'
import type { Writable } from '../wfile.ts'

// Copying so little costs less than an entry of its own in the writev; a list of one chunk is not copied at all.
const copyUpTo = 4_096

/**
 * Bytes as Buffers, without a copy, and text as UTF-8.
 *
 * @param bytes - what was given
 * @param chunks - gets the chunks
 * @returns how many bytes that were
 */
export function appendBuffers(bytes: Writable, chunks: Uint8Array[]): number {
  if (typeof bytes === 'string') {
    if (bytes === '') return 0
    const encoded = Buffer.from(bytes)
    chunks.push(encoded)
    return encoded.length
  }
  if (bytes instanceof Uint8Array) {
    if (bytes.length > 0) chunks.push(bytes)
    return bytes.length
  }
  if (isUint8ArrayList(bytes)) {
    // Its iterator is a generator: for the list of one chunk that an echo writes, that is most of what a write costs.
    const only = bytes.length > 0 && bytes.length <= copyUpTo ? bytes.subarray() : undefined
    if (only !== undefined) chunks.push(only)
    else for (const chunk of bytes) if (chunk.length > 0) chunks.push(chunk)
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
