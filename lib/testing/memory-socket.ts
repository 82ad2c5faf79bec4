import { Duplex } from 'node:stream'

// What a kernel would hold between the two ends, in each direction.
const room = 65_536

type Told = (error?: Error | null) => void

function lost(code: 'ECONNREFUSED' | 'ECONNRESET' | 'EPIPE', call: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${call} ${code}`), { code, syscall: call })
}

/** The error of a connect that nobody answers. */
export function refusedConnection(): NodeJS.ErrnoException {
  return lost('ECONNREFUSED', 'connect')
}

/**
 * One end of a connection that needs no kernel: what is written at one end is read at the other. It behaves as a socket
 * does: half-open, a write is done when the other end's buffer has room and not when it was read, a reset is seen after
 * what came before it. (`stream.duplexPair` ends a stream only when its peer has read all, and knows no resets.)
 */
export class MemorySocket extends Duplex {
  #peer!: MemorySocket
  readonly #queue: Buffer[] = []
  #queued = 0
  #roomLess: Told | undefined
  #wanted = false
  #over: 'end' | 'reset' | undefined
  #resets = false
  #timer: NodeJS.Timeout | undefined

  private constructor() {
    // Nothing is read ahead: what is not asked for stays in the queue.
    super({ allowHalfOpen: true, readableHighWaterMark: 0, writableHighWaterMark: room })
  }

  /** Both ends of a connection. */
  static pair(): [MemorySocket, MemorySocket] {
    const one = new MemorySocket()
    const other = new MemorySocket()
    one.#peer = other
    other.#peer = one
    return [one, other]
  }

  override _read(): void {
    const bytes = this.#queue.shift()
    if (bytes !== undefined) {
      this.#timer?.refresh()
      this.#queued -= bytes.length
      if (this.#queued < room) this.#giveRoom()
      this.push(bytes)
    } else if (this.#over === 'end') this.push(null)
    else if (this.#over === 'reset') this.destroy(lost('ECONNRESET', 'read'))
    else this.#wanted = true
  }

  // Each delivery has a turn of its own, as no reader expects to run inside of the write.
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Told): void {
    const bytes = Buffer.from(chunk)
    process.nextTick(() => this.#peer.#deliver(bytes, done))
    this.#timer?.refresh()
  }

  override _final(done: Told): void {
    process.nextTick(() => {
      this.#peer.#finish('end')
      done()
    })
  }

  override _destroy(error: Error | null, done: Told): void {
    const left = this.#queued > 0 || error !== null || this.#resets
    this.#queue.length = 0
    this.#queued = 0
    clearTimeout(this.#timer)
    this.#giveRoom(lost('EPIPE', 'write'))
    process.nextTick(() => this.#peer.#finish(left ? 'reset' : 'end'))
    done(error)
  }

  /** Destroy it, so that the other end sees a reset. */
  resetAndDestroy(): this {
    this.#resets = true
    return this.destroy()
  }

  /** Emit `timeout` after so many milliseconds without traffic; 0 for never. */
  setTimeout(milliseconds: number): this {
    clearTimeout(this.#timer)
    this.#timer = milliseconds > 0 ? setTimeout(() => this.emit('timeout'), milliseconds).unref() : undefined
    return this
  }

  /** Nothing: there are no packets. */
  setNoDelay(): this {
    return this
  }

  /** Nothing: there is no network. */
  setKeepAlive(): this {
    return this
  }

  /** Nothing: it holds no process. */
  ref(): this {
    return this
  }

  /** Nothing: it holds no process. */
  unref(): this {
    return this
  }

  #deliver(bytes: Buffer, done: Told): void {
    if (this.destroyed || this.#over === 'reset') {
      done(lost('EPIPE', 'write'))
      return
    }
    if (bytes.length > 0) this.#queue.push(bytes)
    this.#queued += bytes.length
    if (this.#queued < room) done()
    else this.#roomLess = done
    this.#wake()
  }

  #finish(how: 'end' | 'reset'): void {
    if (this.destroyed || this.#over === 'reset') return
    this.#over = how
    this.#wake()
  }

  #wake(): void {
    if (!this.#wanted || this.destroyed || (this.#queue.length === 0 && this.#over === undefined)) return
    this.#wanted = false
    this._read()
  }

  #giveRoom(error?: Error): void {
    const told = this.#roomLess
    this.#roomLess = undefined
    told?.(error)
  }
}
