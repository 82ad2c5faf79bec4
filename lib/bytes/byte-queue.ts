import { Uint8ArrayList } from 'uint8arraylist'

const empty = Buffer.alloc(0)

// A peer that sends a byte at a time would cost some 200 bytes of memory for each: runs of small chunks are joined.
const smallChunk = 512
const smallRun = 64

/**
 * Bytes in the order in which they came, as the chunks in which they came. Taking what lies within one chunk copies
 * nothing.
 */
export class ByteQueue {
  #chunks: Buffer[] = []
  #head = 0
  #offset = 0
  #small = 0
  #length = 0

  /** Bytes held. */
  get length(): number {
    return this.#length
  }

  /** Add at the end. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
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
    let start = 0
    for (let i = this.#head; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i] as Buffer
      const offset = i === this.#head ? this.#offset : 0
      const size = chunk.length - offset
      if (from < start + size) {
        const at = chunk.indexOf(byte, offset + Math.max(0, from - start))
        if (at !== -1) return start + at - offset
      }
      start += size
    }
    return -1
  }

  /** Where `bytes` stand first, at or after `from`; -1 where they do not. */
  indexOfAll(bytes: Uint8Array, from: number): number {
    const first = bytes[0] as number
    for (let at = this.indexOf(first, from); at !== -1; at = this.indexOf(first, at + 1)) {
      if (at + bytes.length > this.#length) return -1
      if (bytes.length === 1 || this.view(bytes.length, at).equals(bytes)) return at
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
    return bytes
  }

  /** Take all, as a list: nothing is copied. */
  takeList(): Uint8ArrayList {
    const list =
      this.#chunks.length - this.#head === 1
        ? new Uint8ArrayList(this.take(this.#length))
        : new Uint8ArrayList(...this.#rest())
    this.clear()
    return list
  }

  /** The `n` bytes from `from` on, which stay. Copied where they span chunks. */
  view(n: number, from = 0): Buffer {
    let skip = from
    let whole: Buffer | undefined
    let filled = 0
    for (let i = this.#head; i < this.#chunks.length && filled < n; i++) {
      const chunk = this.#chunks[i] as Buffer
      const start = (i === this.#head ? this.#offset : 0) + skip
      if (start >= chunk.length) {
        skip = start - chunk.length
        continue
      }
      skip = 0
      if (whole === undefined) {
        if (start + n <= chunk.length) return chunk.subarray(start, start + n)
        whole = Buffer.allocUnsafe(Math.min(n, this.#length - from))
      }
      filled += chunk.copy(whole, filled, start, start + n - filled)
    }
    return whole ?? empty
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
  }

  /** Drop all. */
  clear(): void {
    this.#restart([], 0)
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
  }

  #dropHead(): void {
    this.#head++
    this.#offset = 0
    if (this.#head === this.#chunks.length) {
      this.#chunks.length = 0
      this.#head = 0
      this.#small = 0
    } else if (this.#head >= 256 && this.#head * 2 > this.#chunks.length) {
      this.#chunks.splice(0, this.#head)
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
  }
}
