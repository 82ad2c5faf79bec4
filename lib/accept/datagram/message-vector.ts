import { libc } from '../native/libc.ts'

/** Messages of one call of recvmmsg(2) or sendmmsg(2), at most. */
export const vectorLength = 64

// struct mmsghdr and struct iovec of a 64-bit Linux, in words of 8 and of 4 bytes.
const header8 = 8
const header4 = 16
const nameAt8 = 0
const nameLengthAt4 = 2
const vectorAt8 = 2
const vectorLengthAt4 = 6
const controlAt8 = 4
const controlLengthAt4 = 10
const transferredAt4 = 14

/** The structs that tell the kernel where the messages of a call lie. */
export class MessageVector {
  /** What the call takes. */
  readonly headers = Buffer.alloc(vectorLength * header8 * 8)
  readonly #words8 = new BigUint64Array(this.headers.buffer, this.headers.byteOffset, vectorLength * header8)
  readonly #words4 = new Int32Array(this.headers.buffer, this.headers.byteOffset, vectorLength * header4)
  readonly #pieces = new BigUint64Array(vectorLength * 2)
  readonly #piecesAt: readonly bigint[]

  constructor() {
    const start = addressOf(Buffer.from(this.#pieces.buffer))
    this.#piecesAt = Array.from({ length: vectorLength }, (_, i) => start + BigInt(i * 16))
  }

  /** Where the nth message has its address. The memory must outlive the vector's use. */
  name(n: number, memory: Buffer, offset: number, length: number): void {
    this.#words8[n * header8 + nameAt8] = addressOf(memory) + BigInt(offset)
    this.setNameLength(n, length)
  }

  /** Where the nth piece has its bytes. */
  bytes(n: number, memory: Buffer, offset: number, length: number): void {
    this.#pieces[n * 2] = addressOf(memory) + BigInt(offset)
    this.setSize(n, length)
  }

  /** How many bytes the nth piece has. */
  setSize(n: number, length: number): void {
    sizes ??= Array.from({ length: 2_049 }, (_, size) => BigInt(size))
    this.#pieces[n * 2 + 1] = sizes[length] ?? BigInt(length)
  }

  /** The nth message is made of so many pieces. */
  message(n: number, firstPiece: number, pieces: number): void {
    this.#words8[n * header8 + vectorAt8] = this.#piecesAt[firstPiece] as bigint
    this.#words4[n * header4 + vectorLengthAt4] = pieces
  }

  /** What goes with the nth message for the kernel: its address, 0n for nothing. */
  control(n: number, address: bigint, length: number): void {
    this.#words8[n * header8 + controlAt8] = address
    this.#words4[n * header4 + controlLengthAt4] = length
  }

  setNameLength(n: number, length: number): void {
    this.#words4[n * header4 + nameLengthAt4] = length
  }

  nameLength(n: number): number {
    return this.#words4[n * header4 + nameLengthAt4] as number
  }

  /** Bytes of the nth message that the call says it has moved. */
  transferred(n: number): number {
    return this.#words4[n * header4 + transferredAt4] as number
  }
}

// Small numbers, so that none is made for each message.
let sizes: bigint[] | undefined

/** Where bytes lie. */
export function addressOf(memory: Buffer): bigint {
  return libc().pointerTo(memory).readBigUInt64LE()
}
