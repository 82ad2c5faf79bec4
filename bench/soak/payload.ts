import type { Random } from './random.ts'

const poolSize = 2 * 1_048_576
const longestLine = 8_192

/** Bytes to send, which cost nothing to make: pieces of one pool */
export class Payloads {
  readonly #bytes: Buffer
  readonly #lines: Buffer
  readonly #lineStarts: number[] = []

  constructor(random: Random) {
    this.#bytes = Buffer.allocUnsafe(poolSize)
    for (let at = 0; at < poolSize; at += 4) this.#bytes.writeUInt32LE(Math.floor(random.next() * 2 ** 32), at)
    // A line's first letter says what to do; no other byte of it is a newline.
    this.#lines = Buffer.allocUnsafe(poolSize)
    for (let at = 0; at < poolSize; at++) this.#lines[at] = 33 + ((this.#bytes[at] as number) % 90)
    for (let at = 0; at + longestLine < poolSize; ) {
      this.#lineStarts.push(at)
      this.#lines[at] = 'e'.charCodeAt(0)
      at += random.size(2, longestLine)
      this.#lines[at - 1] = 10
    }
  }

  bytes(random: Random, size: number): Buffer {
    const at = random.integer(0, poolSize - size)
    return this.#bytes.subarray(at, at + size)
  }

  /** Whole lines, of about a size together */
  lines(random: Random, size: number): Buffer {
    const starts = this.#lineStarts
    const first = random.integer(0, Math.floor(starts.length / 2))
    const from = starts[first] as number
    const to = starts.find((start) => start > from && start >= from + size) ?? starts.at(-1)
    return this.#lines.subarray(from, to)
  }
}
