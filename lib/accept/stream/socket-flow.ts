import type { Socket } from 'node:net'
import { ByteReader, type Upstream } from '../../bytes/reader.ts'
import { type Outlet, type Sender, StreamWriter } from '../../bytes/stream-writer.ts'
import { ClosedError, type LimitExceededError } from '../../errors.ts'
import { limitReached } from '../../events.ts'
import type { Fault } from '../../iterator/fault.ts'
import { requestClosed } from '../request/request-closed.ts'
import type { FlowHost } from './flow-host.ts'
import { hasLeft, type Lingering, linger, type Place } from './linger.ts'
import { NativeWire } from './native-wire.ts'
import { canPass, Parcel, type Passing } from './parcel.ts'
import { NativePreface, type PrefaceEnded, type PrefaceParser, type PrefaceReading, SocketPreface } from './preface.ts'
import { ReadTimer, type ReadTimerHost } from './read-timer.ts'
import { SocketWire } from './socket-wire.ts'
import type { ConnectionContext } from './stream-context.ts'
import { mergedMarks, type StreamSettings } from './stream-settings.ts'
import type { Ended, WireHost } from './wire.ts'

const nothing = Buffer.alloc(0)

const connectionClosed = (): Error => new ClosedError('Cannot use the request: the connection has closed')

/** Moves bytes between a socket and the rfile and wfile of its request, and closes it without losing the reply. */
export class SocketFlow implements Upstream, Outlet, WireHost, ReadTimerHost, Lingering {
  #wire: NativeWire | SocketWire
  readonly #host: FlowHost
  readonly #context: ConnectionContext
  #reader: ByteReader | undefined
  #writer: StreamWriter | undefined
  #settings: StreamSettings | undefined
  #over: Fault | undefined
  #discarded = 0
  #timeout: number | undefined
  #readTimer: ReadTimer | undefined
  #outputEnded = false
  #inputEnded = false
  #lingering: Place | undefined
  // There while startTLS(), or the reading of a preface, is under way: nothing is read or sent, but somebody may want to read.
  #suspended: { wanted: boolean } | undefined
  // Bytes may be in the socket, and no more in the kernel.
  #putBack = false
  /** What comes is dropped: the request was closed. */
  discarding = false
  /** Bytes received. */
  bytesIn = 0
  /** Bytes handed over to be sent. */
  bytesOut = 0

  /**
   * @param socket - paused and unread, half-open allowed; or a bare descriptor
   * @param host - who is told what happens
   * @param context - where bytes are counted, and within which limits
   * @param isUnix - whether a bare descriptor is that of a Unix socket
   */
  constructor(socket: Socket | number, host: FlowHost, context: ConnectionContext, isUnix: boolean) {
    this.#host = host
    this.#context = context
    const { noDelay } = context
    this.#wire =
      typeof socket === 'number' ? new NativeWire(socket, this, noDelay, isUnix) : new SocketWire(socket, this, noDelay)
  }

  /** The socket, to ask it things: made of a bare descriptor, which must be suspended then. */
  get socket(): Socket {
    return this.#bySocket().socket
  }

  /** The descriptor; `undefined` where it is not known, or not ours any more. */
  get fd(): number | undefined {
    return this.#wire.fd
  }

  /** Whether there is a socket of the system's, and not a stream that stands for one. */
  get isReal(): boolean {
    return this.#wire.isReal
  }

  /** Whether the socket is a `TLSSocket`. */
  get encrypted(): boolean {
    return this.#wire.encrypted
  }

  /** The rfile. */
  get reader(): ByteReader {
    if (this.#reader === undefined) {
      this.#reader = new ByteReader(this)
      if (this.#over !== undefined) this.#reader.close(this.#over)
      this.#applySettings()
    }
    return this.#reader
  }

  /** The wfile. */
  get writer(): StreamWriter {
    if (this.#writer === undefined) {
      this.#writer = new StreamWriter(this)
      if (this.#over !== undefined) this.#writer.fail(this.#over)
      this.#applySettings()
    }
    return this.#writer
  }

  /** Whether all has been sent, and only the peer's end is awaited. */
  get lingering(): boolean {
    return this.discarding && this.#outputEnded
  }

  /** Whether the peer has ended its output. */
  get inputOver(): boolean {
    return this.#inputEnded || this.#wire.inputOver
  }

  /** Whether nothing was read or written. */
  get untouched(): boolean {
    if (this.#wire.reading || this.#reader?.used === true) return false
    return this.bytesOut === 0 && (this.#writer?.length ?? 0) === 0
  }

  /** Whether a read waits for a byte. */
  get reading(): boolean {
    return this.#reader?.parked === true
  }

  /** For how many milliseconds that may be, as it is now. */
  get idleTimeout(): number {
    return this.#context.limits.idleTimeout
  }

  /** Set what a handler's fields say; what is left out stays. */
  configure(settings: StreamSettings): void {
    const { timeout, noDelay } = settings
    if (timeout !== undefined) {
      this.#timeout = timeout === Number.POSITIVE_INFINITY ? 0 : timeout
      this.#wire.timeout = this.#timeout
    }
    if (noDelay !== undefined) this.#wire.noDelay = noDelay
    this.#settings = mergedMarks(this.#settings, settings)
    this.#applySettings()
  }

  /** Take the socket out; rfile and wfile fail with the error from now on. */
  release(error: Error): Socket {
    const socket = this.#wire.release()
    this.#giveUp(error)
    return socket
  }

  /** Settles when what was written has left; `undefined` where nothing was. */
  flush(): Promise<void> | undefined {
    return this.#writer === undefined || this.#writer.length === 0 ? undefined : this.#writer.flush()
  }

  /**
   * Take the connection out, in the middle of it, with what has come and was not read.
   *
   * @param passes - what can be passed
   * @param error - what rfile and wfile fail with from now on
   * @returns nothing where it can't be passed: it is encrypted, or a socket of Node's that is read already
   */
  pack(passes: Passing, error: Error): Parcel | undefined {
    const wire = this.#wire
    if (passes === 'nothing' || wire.isGone || !wire.isReal || wire.encrypted) return undefined
    if (wire instanceof SocketWire && (wire.reading || this.#putBack || !canPass(wire.socket, passes))) return undefined
    const unread = this.#reader === undefined ? nothing : this.#reader.suspend()
    const { noDelay } = wire
    this.#readTimer?.end()
    const parcel = new Parcel(wire instanceof NativeWire ? wire.take() : wire.release(), unread, {
      noDelay,
      limits: this.#context.limits
    })
    this.#giveUp(error)
    return parcel
  }

  /** Bytes that another process or thread has moved for this connection. */
  movedElsewhere(bytesIn: number, bytesOut: number): void {
    this.#count(bytesIn)
    this.bytesOut += bytesOut
    this.#context.stats.bytesOut += bytesOut
  }

  /** What stands before the first byte, to be read: nothing else is, until it has ended. */
  preface(parser: PrefaceParser, ended: PrefaceEnded): PrefaceReading {
    const wire = this.#wire
    const over: PrefaceEnded = (how) => {
      const wanted = this.#suspended?.wanted
      this.#suspended = undefined
      ended(how)
      if (wanted === true && how === 'read') this.resume()
    }
    this.#suspended = { wanted: false }
    if (wire instanceof NativeWire) return new NativePreface(wire.fd as number, parser, over)
    this.#putBack = true
    return new SocketPreface(wire.socket, parser, over)
  }

  /** Stop reading until `adopt`; gives what has come and was not read. */
  suspend(): Buffer {
    this.#suspended = { wanted: false }
    this.#wire.suspend()
    return this.reader.suspend()
  }

  /** Lend the suspended socket to somebody who watches it. */
  lend(): Socket {
    return this.#bySocket().lend()
  }

  /** What was lent comes back, destroyed. */
  reclaim(): void {
    this.#bySocket().reclaim()
  }

  /** Go on with another socket, which stands for the one that was lent. */
  adopt(socket: Socket): void {
    const wanted = this.#suspended?.wanted
    this.#suspended = undefined
    this.#bySocket().adopt(socket)
    this.writer.release()
    if (wanted === true) this.resume()
  }

  /** Send what is left, end the output, and drop what still comes until the peer has ended too. */
  shut(): Promise<void> {
    const { writer } = this
    if (!this.#wire.isGone) {
      this.#over ??= requestClosed
      this.#reader?.close(requestClosed)
      this.discarding = true
      this.resume()
      if (this.#outputEnded) this.#linger()
    }
    return writer.end()
  }

  /** Let go at once: what is left is neither sent nor read. */
  destroy(error: Error): void {
    this.#giveUp(error)
    this.#wire.destroy()
  }

  /** The peer is gone: what has come can still be read. */
  fail(error: Error): void {
    this.#over ??= error
    this.#reader?.fail(error)
    this.#writer?.fail(error)
    this.#wire.destroy()
  }

  resume(): void {
    if (this.#suspended === undefined) this.#wire.read()
    else this.#suspended.wanted = true
  }

  waits(): void {
    if (this.#timeout === undefined || this.#timeout === 0) return
    this.#readTimer ??= new ReadTimer(this)
    this.#readTimer.begin(this.#timeout)
  }

  waitedLongEnough(): void {
    this.#endLingering('lingerTimeout')
  }

  silent(timeout: number): void {
    this.#host.timedOut(timeout)
  }

  send(chunks: readonly Uint8Array[], bytes: number, sender: Sender): void {
    this.bytesOut += bytes
    this.#context.stats.bytesOut += bytes
    this.#wire.send(chunks, bytes, sender)
  }

  finish(finished: Ended): void {
    this.#wire.end((error) => {
      if (error != null) this.failed(error)
      this.#outputEnded = true
      if (this.discarding) this.#linger()
      finished(error)
    })
  }

  overflow(error: LimitExceededError): void {
    this.#host.outputLost(error)
  }

  lost(error: Error): void {
    this.#host.outputLost(error)
  }

  arrived(chunk: Buffer): boolean {
    if (this.discarding) return this.discard(chunk.length)
    this.#count(chunk.length)
    return this.#reader?.push(chunk) !== false
  }

  discard(size: number): boolean {
    this.#count(size)
    this.#discarded += size
    if (this.#discarded < this.#context.limits.maxLingerBytes) return true
    if (this.#outputEnded) this.#endLingering('maxLingerBytes')
    return false
  }

  inputEnded(): void {
    this.#inputEnded = true
    this.#reader?.end()
  }

  failed(error: Error): void {
    // Once all has left, how the peer goes is its own affair.
    if (this.#outputEnded && this.discarding) return
    // The peer is there: what it was to get is not.
    if (error instanceof TypeError) this.#host.outputLost(error)
    else this.#host.peerGone(error)
  }

  timedOut(): void {
    if ((this.#writer?.length ?? 0) > 0) this.#host.timedOut(this.#timeout ?? 0)
  }

  closed(): void {
    this.#readTimer?.end()
    if (this.#lingering !== undefined) hasLeft(this.#lingering)
    this.#lingering = undefined
    this.#over ??= connectionClosed
    this.#reader?.fail(this.#over)
    this.#writer?.fail(this.#over)
    this.#host.socketClosed()
  }

  #bySocket(): SocketWire {
    const wire = this.#wire instanceof NativeWire ? this.#wire.bySocket() : this.#wire
    this.#wire = wire
    return wire
  }

  #count(size: number): void {
    this.bytesIn += size
    this.#context.stats.bytesIn += size
    this.#readTimer?.byteCame()
  }

  #giveUp(fault: Fault): void {
    this.#over ??= fault
    this.#reader?.close(fault)
    this.#writer?.fail(fault)
  }

  #linger(): void {
    if (this.#inputEnded || this.#wire.isGone || this.#lingering !== undefined) return
    const { lingerTimeout, maxLingerBytes } = this.#context.limits
    if (this.#discarded >= maxLingerBytes) this.#endLingering('maxLingerBytes')
    else if (lingerTimeout < Number.POSITIVE_INFINITY) this.#lingering = linger(this, lingerTimeout)
  }

  #endLingering(limit: 'lingerTimeout' | 'maxLingerBytes'): void {
    const { server, limits } = this.#context
    const { clientAddress } = this.#host
    if (limitReached.hasSubscribers) limitReached.publish({ server, limit, value: limits[limit], clientAddress })
    this.#wire.destroy()
  }

  #applySettings(): void {
    const settings = this.#settings
    if (settings === undefined) return
    if (this.#reader !== undefined && settings.readHighWaterMark !== undefined) {
      this.#reader.highWaterMark = settings.readHighWaterMark
    }
    if (this.#writer === undefined) return
    if (settings.writeHighWaterMark !== undefined) this.#writer.highWaterMark = settings.writeHighWaterMark
    if (settings.maxWriteQueue !== undefined) this.#writer.maxQueue = settings.maxWriteQueue
  }
}
