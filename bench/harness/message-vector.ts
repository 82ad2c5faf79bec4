import { addressOf } from './libc.ts'

// struct mmsghdr and struct iovec of a 64-bit machine
const headerSize = 64
const iovAt = 16
const iovCountAt = 24
const lengthAt = 56
const iovSize = 16

/** Messages that one system call sends or receives: what costs a generator less than a call for each */
export class MessageVector {
  /** What sendmmsg and recvmmsg take */
  readonly headers: Buffer
  readonly #bytes: Buffer
  readonly #iovs: Buffer
  readonly #size: number

  constructor(count: number, size: number) {
    this.#size = size
    this.headers = Buffer.alloc(count * headerSize)
    this.#iovs = Buffer.alloc(count * iovSize)
    this.#bytes = Buffer.alloc(count * size)
    const [iovs, bytes] = [addressOf(this.#iovs), addressOf(this.#bytes)]
    for (let n = 0; n < count; n++) {
      this.headers.writeBigUInt64LE(iovs + BigInt(n * iovSize), n * headerSize + iovAt)
      this.headers.writeBigUInt64LE(1n, n * headerSize + iovCountAt)
      this.#iovs.writeBigUInt64LE(bytes + BigInt(n * size), n * iovSize)
      this.#iovs.writeBigUInt64LE(BigInt(size), n * iovSize + 8)
    }
  }

  /** The bytes of the nth, as much as there is room for */
  bytes(n: number): Buffer {
    return this.#bytes.subarray(n * this.#size, (n + 1) * this.#size)
  }

  /** How many bytes the nth had when it was received */
  length(n: number): number {
    return this.headers.readUInt32LE(n * headerSize + lengthAt)
  }
}
