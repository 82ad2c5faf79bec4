import { receiveSome, sendAll } from './client-socket.ts'

/** A connection that sends a line now and then, and tells how late each answer was */
export class QuietClient {
  readonly #fd: number
  readonly #line: Buffer
  readonly #slab: Buffer
  /** When the lines that are not answered yet were due, oldest first */
  readonly #due: number[] = []
  #received = 0

  constructor(fd: number, index: number, size: number) {
    this.#fd = fd
    this.#line = Buffer.from(`${String(index).padStart(size - 1, '.')}\n`)
    this.#slab = Buffer.alloc(16 * size)
  }

  get waiting(): number {
    return this.#due.length
  }

  /** Sends the line that was due at a time: it may be a little later now, which counts as the server's delay */
  send(due: number): void {
    this.#due.push(due)
    sendAll(this.#fd, this.#line)
  }

  /** Takes what has come until now; answers with the milliseconds from when each answered line was due */
  receive(now: number): number[] {
    const size = receiveSome(this.#fd, this.#slab)
    const before = this.#received
    this.#received += size
    for (let at = 0; at < size; at++) {
      if (this.#slab[at] !== this.#line[(before + at) % this.#line.length]) {
        throw new Error('Cannot accept a reply: it is not what was sent')
      }
    }
    const answered = Math.floor(this.#received / this.#line.length) - Math.floor(before / this.#line.length)
    if (answered > this.#due.length) throw new Error('Cannot accept a reply: more came back than was sent')
    return this.#due.splice(0, answered).map((due) => now - due)
  }
}
