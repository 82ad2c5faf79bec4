import { libc } from '../native/libc.ts'
import { MSG_DONTWAIT, MSG_TRUNC } from '../native/message-flags.ts'
import { longestSockaddr } from '../native/sockaddr.ts'
import { MessageVector, vectorLength } from './message-vector.ts'

/** Datagrams received by one system call. One for all listeners of a size: what came is copied out before the next call. */
export class IncomingBatch {
  readonly #vector = new MessageVector()
  readonly #packets: Buffer
  /** Who sent them, in the kernel's form, until the next call. */
  readonly names = Buffer.alloc(vectorLength * longestSockaddr)
  readonly #size: number

  /** @param size - of the largest datagram that is wanted whole */
  constructor(size: number) {
    this.#size = size
    // Only what datagrams touch becomes memory.
    this.#packets = Buffer.allocUnsafeSlow(vectorLength * size)
    for (let i = 0; i < vectorLength; i++) {
      this.#vector.name(i, this.names, i * longestSockaddr, longestSockaddr)
      this.#vector.bytes(i, this.#packets, i * size, size)
      this.#vector.message(i, i, 1)
    }
  }

  /**
   * Receive what is there.
   *
   * @param fd - never blocks
   * @param most - datagrams, {@link vectorLength} at most
   * @returns how many came; -1 where it failed (see errno)
   */
  receive(fd: number, most: number): number {
    const vector = this.#vector
    for (let i = 0; i < most; i++) vector.setNameLength(i, longestSockaddr)
    return libc().recvmmsg(fd, vector.headers, most, MSG_DONTWAIT | MSG_TRUNC, null)
  }

  /** The true size of the nth: larger than the memory for it where it was cut. */
  sizeOf(n: number): number {
    return this.#vector.transferred(n)
  }

  /** The bytes of the nth, until the next call. */
  packet(n: number): Buffer {
    return this.#packets.subarray(n * this.#size, n * this.#size + Math.min(this.#size, this.sizeOf(n)))
  }

  /** Where among the names that of the nth begins. */
  nameStart(n: number): number {
    return n * longestSockaddr
  }

  /** How long it is. */
  nameLength(n: number): number {
    return this.#vector.nameLength(n)
  }
}

let one: IncomingBatch | undefined
let room = 0

/** The one that all share; made anew where a listener wants larger datagrams. */
export function incomingBatch(size: number): IncomingBatch {
  if (one === undefined || size > room) {
    one = new IncomingBatch(size)
    room = size
  }
  return one
}
