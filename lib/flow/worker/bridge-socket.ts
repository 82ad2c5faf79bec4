import { Duplex } from 'node:stream'
import { type StandIn, standIn } from '../../accept/stream/stand-in.ts'
import { bridgeWindow, type WorkerMessage } from './messages.ts'

type Told = (error?: Error | null) => void

/** The worker's end of a connection whose bytes come as messages: what stands for its socket. */
export class BridgeSocket extends Duplex implements StandIn {
  readonly #id: number
  readonly #say: (message: WorkerMessage) => void
  #credit = bridgeWindow
  #waiting: { readonly bytes: Buffer; readonly done: Told } | undefined
  #taken = 0
  #timer: NodeJS.Timeout | undefined
  #inputOver = false
  #keepsEnd = false

  /**
   * @param id - of the request
   * @param say - tells the pool
   */
  constructor(id: number, say: (message: WorkerMessage) => void) {
    super({ allowHalfOpen: true, writableHighWaterMark: bridgeWindow, readableHighWaterMark: bridgeWindow })
    this.#id = id
    this.#say = say
  }

  /** Bytes have come. */
  data(bytes: Uint8Array): void {
    if (this.#inputOver || this.destroyed) return
    this.#timer?.refresh()
    this.#taken += bytes.length
    if (this.push(bytes)) this._read()
  }

  /** No more will come. */
  inputEnded(): void {
    if (this.#inputOver || this.destroyed) return
    this.#inputOver = true
    if (!this.#keepsEnd) this.push(null)
  }

  [standIn](keepsEnd: boolean): void {
    this.#keepsEnd = keepsEnd
    if (!keepsEnd && this.#inputOver && !this.destroyed) this.push(null)
  }

  /** So many more bytes may be sent. */
  credit(bytes: number): void {
    this.#credit += bytes
    this.#timer?.refresh()
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    this._write(waiting.bytes, 'buffer' as BufferEncoding, waiting.done)
  }

  override _read(): void {
    if (this.#taken === 0) return
    this.#say({ type: 'credit', id: this.#id, bytes: this.#taken })
    this.#taken = 0
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Told): void {
    const now = chunk.subarray(0, Math.max(0, this.#credit))
    if (now.length > 0) {
      this.#credit -= now.length
      this.#say({ type: 'data', id: this.#id, bytes: now })
    }
    if (now.length === chunk.length) done()
    else this.#waiting = { bytes: chunk.subarray(now.length), done }
  }

  override _final(done: Told): void {
    this.#say({ type: 'end', id: this.#id })
    done()
  }

  override _destroy(error: Error | null, done: Told): void {
    clearTimeout(this.#timer)
    this.#waiting?.done(error ?? Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }))
    this.#waiting = undefined
    done(error)
  }

  /** Emit `timeout` after so many milliseconds without traffic; 0 for never. */
  setTimeout(milliseconds: number): this {
    clearTimeout(this.#timer)
    this.#timer = milliseconds > 0 ? setTimeout(() => this.emit('timeout'), milliseconds).unref() : undefined
    return this
  }

  /** Nothing: the socket is the pool's. */
  setNoDelay(): this {
    return this
  }

  /** Nothing: the socket is the pool's. */
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
}
