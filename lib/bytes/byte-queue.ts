import { Uint8ArrayList } from 'uint8arraylist'

const empty = Buffer.alloc(0)
// Shared by all that hold nothing, and never added to.
const nothing: Buffer[] = []

// A peer that sends a byte at a time would cost some 200 bytes of memory for each: runs of small chunks are joined.
const smallChunk = 512
const smallRun = 64

/**
 * Bytes in the order in which they came, as the chunks in which they came. Taking what lies within one chunk copies
 * nothing.
 */
export class ByteQueue {
  #chunks = nothing
  #head = 0
  #offset = 0
  #small = 0
  #length = 0
  // Where the last search came to: a chunk, and how many bytes stand before it.
  #cursor = 0
  #cursorStart = 0

  /** Bytes held. */
  get length(): number {
    return this.#length
  }

  /** Add at the end. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    // An array of its own for each run: emptied ones keep, or drop and take again, more memory than a short run needs.
    if (this.#length === 0) this.#chunks = [chunk]
    else this.#chunks.push(chunk)
    this.#length += chunk.length
    if (chunk.length >= smallChunk) this.#small = 0
    else if (++this.#small >= smallRun) this.#join()
  }

  /** Add at the front. */
  unshift(chunk: Buffer): void {
    if (chunk.length === 0) return
    const rest = this.#rest()
    rest.unshift(chunk)
    this.#restart(rest, this.#length + chunk.length)
  }

  /** Where `byte` stands first, at or after `from`; -1 where it does not. */
  indexOf(byte: number, from: number): number {
    for (let i = this.#seek(from); i < this.#chunks.length; i++) {
      const found = this.#within(i, byte, from)
      if (found !== -1) return found
      this.#step(i)
    }
    return -1
  }

  /** Where `bytes` stand first, at or after `from`; -1 where they do not. */
  indexOfAll(bytes: Buffer, from: number): number {
    const overlap = bytes.length - 1
    if (overlap === 0) return this.indexOf(bytes[0] as number, from)
    for (let i = this.#seek(from); i < this.#chunks.length; i++) {
      const found = this.#within(i, bytes, from)
      if (found !== -1) return found
      // What begins in this chunk and ends in a later one.
      const chunk = this.#chunks[i] as Buffer
      const offset = i === this.#head ? this.#offset : 0
      const seam = Math.max(offset, chunk.length - overlap, offset + from - this.#cursorStart)
      const at = seam < chunk.length ? this.#gather(i, seam, chunk.length - seam + overlap).indexOf(bytes) : -1
      if (at !== -1) return this.#cursorStart + seam - offset + at
      this.#step(i)
    }
    return -1
  }

  /** Take `n` bytes, no more than there are. */
  take(n: number): Buffer {
    const chunk = this.#chunks[this.#head]
    if (chunk === undefined || n === 0) return empty
    const end = this.#offset + n
    if (end > chunk.length) {
      const bytes = this.view(n)
      this.skip(n)
      return bytes
    }
    const whole = this.#offset === 0 && end === chunk.length
    const bytes = whole ? chunk : chunk.subarray(this.#offset, end)
    this.#length -= n
    if (end === chunk.length) this.#dropHead()
    else this.#offset = end
    this.#keepCursor(n)
    return bytes
  }

  /** Take all, as a list: nothing is copied. */
  takeList(): Uint8ArrayList {
    const length = this.#length
    if (this.#chunks.length - this.#head === 1) return Uint8ArrayList.fromUint8Arrays([this.take(length)], length)
    const list = Uint8ArrayList.fromUint8Arrays(this.#rest(), length)
    this.clear()
    return list
  }

  /** The first `n` bytes, which stay. Copied where they span chunks. */
  view(n: number): Buffer {
    return this.#gather(this.#head, this.#offset, n)
  }

  /** Drop `n` bytes, no more than there are. */
  skip(n: number): void {
    this.#length -= n
    let end = this.#offset + n
    for (
      let chunk = this.#chunks[this.#head];
      chunk !== undefined && end >= chunk.length;
      chunk = this.#chunks[this.#head]
    ) {
      end -= chunk.length
      this.#dropHead()
    }
    this.#offset = end
    this.#keepCursor(n)
  }

  /** Drop all. */
  clear(): void {
    this.#restart(nothing, 0)
  }

  /** The chunk to search from: the cursor's, where that is not behind `from` already. */
  #seek(from: number): number {
    if (from < this.#cursorStart) this.#rewind()
    return this.#cursor
  }

  /** `n` bytes were taken from the front. */
  #keepCursor(n: number): void {
    if (this.#cursor > this.#head) this.#cursorStart -= n
    else this.#rewind()
  }

  #rewind(): void {
    this.#cursor = this.#head
    this.#cursorStart = 0
  }

  /** The cursor goes on to the next chunk; never past the last one, to which more may come. */
  #step(i: number): void {
    if (i + 1 >= this.#chunks.length) return
    this.#cursor = i + 1
    this.#cursorStart += (this.#chunks[i] as Buffer).length - (i === this.#head ? this.#offset : 0)
  }

  #within(i: number, wanted: number | Buffer, from: number): number {
    const chunk = this.#chunks[i] as Buffer
    const offset = i === this.#head ? this.#offset : 0
    const at = chunk.indexOf(wanted, offset + Math.max(0, from - this.#cursorStart))
    return at === -1 ? -1 : this.#cursorStart + at - offset
  }

  /** Up to `n` bytes from an offset in a chunk on. */
  #gather(i: number, offset: number, n: number): Buffer {
    const chunk = this.#chunks[i]
    if (chunk === undefined || n === 0) return empty
    if (offset + n <= chunk.length) return chunk.subarray(offset, offset + n)
    const parts = [chunk.subarray(offset)]
    let left = n - (chunk.length - offset)
    for (let next = i + 1; left > 0 && next < this.#chunks.length; next++) {
      const part = (this.#chunks[next] as Buffer).subarray(0, left)
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts)
  }

  #rest(): Buffer[] {
    const rest = this.#chunks.slice(this.#head)
    const first = rest[0]
    if (first !== undefined && this.#offset > 0) rest[0] = first.subarray(this.#offset)
    return rest
  }

  #restart(chunks: Buffer[], length: number): void {
    this.#chunks = chunks
    this.#head = 0
    this.#offset = 0
    this.#small = 0
    this.#length = length
    this.#rewind()
  }

  #dropHead(): void {
    this.#head++
    this.#offset = 0
    if (this.#head === this.#chunks.length) {
      this.#chunks = nothing
      this.#head = 0
      this.#cursor = 0
      this.#small = 0
    } else if (this.#head >= 256 && this.#head * 2 > this.#chunks.length) {
      this.#chunks.splice(0, this.#head)
      this.#cursor -= this.#head
      this.#head = 0
    } else {
      // Keeps the slot from holding the memory of bytes that were taken.
      this.#chunks[this.#head - 1] = empty
    }
  }

  #join(): void {
    const from = Math.max(this.#chunks.length - this.#small, this.#head + 1)
    const run = this.#chunks.splice(from)
    if (run.length > 0) this.#chunks.push(Buffer.concat(run))
    this.#small = 0
    if (this.#cursor > from) this.#rewind()
  }
}
