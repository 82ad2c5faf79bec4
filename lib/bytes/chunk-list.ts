import type { Writable } from '../wfile.ts'
import { appendBuffers, joined, oneChunk } from './to-buffer.ts'

// A chunk costs some 100 bytes besides its own: millions of tiny writes must not hide behind few bytes.
const smallChunk = 1_024
const smallRun = 1_024

// Shared by all that hold nothing, and never added to.
const nothing: Uint8Array[] = []

/** Chunks on their way out. Held as they are, but for long runs of small ones, which are joined. */
export class ChunkList {
  #chunks = nothing
  #small = 0

  /**
   * Add bytes.
   *
   * @returns how many that were
   */
  append(bytes: Writable): number {
    const before = this.#chunks.length
    if (before === 0) {
      // Most are one chunk: an array that grows would take room for seventeen.
      const one = oneChunk(bytes)
      if (one !== undefined) {
        if (one.length > 0) this.#chunks = [one]
        return one.length
      }
      this.#chunks = []
    }
    const size = appendBuffers(bytes, this.#chunks)
    const added = this.#chunks.length - before
    if (size >= added * smallChunk) this.#small = 0
    else {
      this.#small += added
      if (this.#small >= smallRun) this.#join()
    }
    return size
  }

  /** All bytes as one Buffer; they stay. */
  toBuffer(): Buffer {
    return joined(this.#chunks)
  }

  /** Take them all. */
  take(): Uint8Array[] {
    const chunks = this.#chunks
    this.#chunks = nothing
    this.#small = 0
    return chunks
  }

  #join(): void {
    const run = this.#chunks.splice(this.#chunks.length - this.#small)
    this.#chunks.push(Buffer.concat(run))
    this.#small = 0
  }
}
