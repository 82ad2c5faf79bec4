import { receiveSome, sendSome } from './client-socket.ts'
import { MSG_TRUNC } from './libc.ts'

const atOnce = 65_536

export interface FloodClientOptions {
  /** Bytes of a line */
  size: number
  /** Bytes that it has under way */
  window: number
}

/** A connection that sends lines as fast as they come back, and never waits in a system call */
export class FloodClient {
  /** Bytes that have come back */
  received = 0
  #sent = 0
  readonly #fd: number
  readonly #size: number
  readonly #window: number
  readonly #lines: Buffer
  readonly #slab = Buffer.alloc(atOnce)

  constructor(fd: number, { size, window }: FloodClientOptions) {
    this.#fd = fd
    this.#size = size
    this.#window = window
    this.#lines = Buffer.from(`${'f'.repeat(size - 1)}\n`.repeat(Math.floor(atOnce / size)))
  }

  /** Everything that was sent has come back, and it was whole lines */
  get isQuiet(): boolean {
    return this.received === this.#sent && this.#sent % this.#size === 0
  }

  /** Takes what has come, and sends as much as that leaves room for; where it ends, only what its last line lacks */
  work(ends: boolean): void {
    this.received += receiveSome(this.#fd, this.#slab, MSG_TRUNC)
    if (this.received > this.#sent) throw new Error('Cannot accept a reply: more came back than was sent')
    const end = ends ? Math.ceil(this.#sent / this.#size) * this.#size : this.received + this.#window
    if (end <= this.#sent) return
    const at = this.#sent % this.#lines.length
    this.#sent += sendSome(this.#fd, this.#lines.subarray(at, at + end - this.#sent))
  }
}
