import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { ByteReader, type Upstream } from '../../bytes/reader.ts'
import { type Outlet, StreamWriter } from '../../bytes/stream-writer.ts'
import { ClosedError, type LimitExceededError } from '../../errors.ts'
import type { Fault } from '../../iterator/fault.ts'
import type { Stats } from '../../stats.ts'
import { requestClosed } from '../request/request-closed.ts'
import type { FlowHost } from './flow-host.ts'
import { hasLeft, linger } from './linger.ts'
import { ReadTimer, type ReadTimerHost } from './read-timer.ts'
import { mergedMarks, type StreamSettings } from './stream-settings.ts'

// What is read and dropped after the close, at most: see linger.ts.
const lingerBytes = 16 * 1024 * 1024

// The least segment that a TCP peer must take.
const smallestSegment = 536

// Copying this much costs less than a second entry in the writev.
const joinUpTo = 16_384
const smallChunk = 1_024

const connectionClosed = (): Error => new ClosedError('Cannot use the request: the connection has closed')

const flowOf = Symbol('flow')

interface Carrier extends Socket {
  [flowOf]?: SocketFlow | undefined
}

// Shared functions, found again by a property of the socket: closures would cost each idle connection a kilobyte.
function onData(this: Carrier, chunk: Buffer): void {
  this[flowOf]?.arrived(chunk)
}

function onEnd(this: Carrier): void {
  this[flowOf]?.inputEnded()
}

function onError(this: Carrier, error: Error): void {
  this[flowOf]?.failed(error)
}

function onClose(this: Carrier): void {
  this[flowOf]?.closed()
}

function onTimeout(this: Carrier): void {
  this[flowOf]?.timedOut()
}

/** Moves bytes between a socket and the rfile and wfile of its request, and closes it without losing the reply. */
export class SocketFlow implements Upstream, Outlet, ReadTimerHost {
  #socket: Carrier
  readonly #host: FlowHost
  readonly #stats: Stats
  #reader: ByteReader | undefined
  #writer: StreamWriter | undefined
  #settings: StreamSettings | undefined
  #over: Fault | undefined
  #reading = false
  #discarding = false
  #discarded = 0
  #noDelay: 'wanted' | 'set' | 'off'
  #timeout: number | undefined
  #readTimer: ReadTimer | undefined
  #outputEnded = false
  #inputEnded = false
  #lingering = false
  // There while startTLS() is under way: nothing is read or sent, but somebody may want to read.
  #suspended: { wanted: boolean } | undefined
  #told: ((error?: Error | null) => void) | undefined
  /** Bytes received. */
  bytesIn = 0
  /** Bytes handed over to be sent. */
  bytesOut = 0

  /**
   * @param socket - paused and unread, half-open allowed
   * @param host - who is told what happens
   * @param stats - where bytes are counted
   * @param noDelay - set TCP_NODELAY before it could matter
   */
  constructor(socket: Socket, host: FlowHost, stats: Stats, noDelay: boolean) {
    this.#socket = socket
    this.#host = host
    this.#stats = stats
    this.#noDelay = noDelay ? 'wanted' : 'off'
    this.#socket[flowOf] = this
    socket.on('error', onError)
    socket.on('close', onClose)
    if (this.encrypted) this.#sendAtOnce()
  }

  /** The socket, to ask it things. */
  get socket(): Socket {
    return this.#socket
  }

  /** Whether the socket is a {@link TLSSocket}. */
  get encrypted(): boolean {
    return (this.#socket as Partial<TLSSocket>).encrypted === true
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
    return this.#discarding && this.#outputEnded
  }

  /** Whether the peer has ended its output. */
  get inputOver(): boolean {
    return this.#inputEnded || this.#socket.readableEnded
  }

  /** Whether nothing was read or written. */
  get untouched(): boolean {
    return !this.#reading && !(this.#reader?.used ?? false) && this.bytesOut === 0 && (this.#writer?.length ?? 0) === 0
  }

  /** Set what a handler's fields say; what is left out stays. */
  configure(settings: StreamSettings): void {
    const { timeout, noDelay } = settings
    if (timeout !== undefined) {
      if (this.#timeout === undefined) this.#socket.on('timeout', onTimeout)
      this.#timeout = timeout === Number.POSITIVE_INFINITY ? 0 : timeout
    }
    if (noDelay === false && this.#noDelay === 'set') this.#socket.setNoDelay(false)
    if (noDelay !== undefined) this.#noDelay = noDelay ? 'wanted' : 'off'
    this.#settings = mergedMarks(this.#settings, settings)
    this.#applySettings()
  }

  /** Take the socket out; rfile and wfile fail with the error from now on. */
  release(error: Error): Socket {
    const socket = this.#socket
    socket[flowOf] = undefined
    socket.off('error', onError)
    socket.off('close', onClose)
    socket.off('timeout', onTimeout)
    this.#giveUp(error)
    if (this.#noDelay === 'wanted') socket.setNoDelay(true)
    return socket
  }

  /** Stop reading until `adopt`; gives what has come and was not read. */
  suspend(): Buffer {
    this.#suspended = { wanted: false }
    this.#socket.pause()
    this.#socket.off('data', onData)
    this.#socket.off('timeout', onTimeout)
    return this.reader.suspend()
  }

  /** Lend the suspended socket to somebody who watches it. */
  lend(): Socket {
    const socket = this.#socket
    socket.off('end', onEnd)
    socket.off('error', onError)
    socket.off('close', onClose)
    socket.setTimeout(0)
    return socket
  }

  /** What was lent comes back, destroyed. */
  reclaim(): void {
    if (this.#socket.closed) this.closed()
    else this.#socket.on('close', onClose)
  }

  /** Go on with another socket, which stands for the one that was lent. */
  adopt(socket: Socket): void {
    const wanted = this.#suspended?.wanted
    this.#suspended = undefined
    this.#reading = false
    this.#socket[flowOf] = undefined
    this.#socket = socket
    this.#socket[flowOf] = this
    socket.on('error', onError)
    socket.on('close', onClose)
    if (this.#timeout !== undefined) socket.on('timeout', onTimeout)
    this.#sendAtOnce()
    this.writer.release()
    if (wanted === true) this.resume()
  }

  /** Send what is left, end the output, and drop what still comes until the peer has ended too. */
  shut(): Promise<void> {
    const socket = this.#socket
    if (socket[flowOf] !== this) return Promise.resolve()
    const writer = this.writer
    if (!socket.destroyed) {
      this.#over ??= requestClosed
      this.#reader?.close(requestClosed)
      this.#discarding = true
      this.resume()
      if (this.#outputEnded) this.#linger()
    }
    return writer.end()
  }

  /** Let go at once: what is left is neither sent nor read. */
  destroy(error: Error): void {
    this.#giveUp(error)
    this.#socket.destroy()
  }

  /** The peer is gone: what has come can still be read. */
  fail(error: Error): void {
    this.#over ??= error
    this.#reader?.fail(error)
    this.#writer?.fail(error)
    this.#socket.destroy()
  }

  resume(): void {
    if (this.#suspended !== undefined) {
      this.#suspended.wanted = true
      return
    }
    if (!this.#reading) {
      this.#reading = true
      this.#socket.on('data', onData)
      this.#socket.on('end', onEnd)
    }
    this.#socket.resume()
  }

  waits(): void {
    if (this.#timeout === undefined || this.#timeout === 0) return
    this.#readTimer ??= new ReadTimer(this)
    this.#readTimer.begin(this.#timeout)
  }

  get reading(): boolean {
    return this.#reader?.parked === true
  }

  silent(timeout: number): void {
    this.#host.timedOut(timeout)
  }

  send(chunks: readonly Uint8Array[], bytes: number, sent: (error?: Error | null) => void): void {
    const socket = this.#socket
    // A first send that fits a segment leaves at once anyway: most short connections are spared the system call.
    if (this.#noDelay === 'wanted' && (this.bytesOut > 0 || bytes > smallestSegment)) {
      this.#noDelay = 'set'
      socket.setNoDelay(true)
    }
    this.bytesOut += bytes
    this.#stats.bytesOut += bytes
    if (this.#timeout !== undefined) socket.setTimeout(this.#timeout)
    this.#told = sent
    const last = chunks.length - 1
    if (last === 0) socket.write(chunks[0] as Uint8Array, this.#sent)
    else if (bytes <= joinUpTo || bytes < chunks.length * smallChunk)
      socket.write(Buffer.concat(chunks, bytes), this.#sent)
    else {
      socket.cork()
      for (let i = 0; i < last; i++) socket.write(chunks[i] as Uint8Array)
      socket.write(chunks[last] as Uint8Array, this.#sent)
      socket.uncork()
    }
  }

  finish(finished: (error?: Error | null) => void): void {
    // Node 20 forgets the close_notify where its last record is still being written: the peer takes that for an attack.
    if (this.encrypted) setImmediate(() => this.#end(finished))
    else this.#end(finished)
  }

  #end(finished: (error?: Error | null) => void): void {
    this.#socket.end((error?: Error | null) => {
      if (error != null) this.failed(error)
      this.#outputEnded = true
      if (this.#discarding) this.#linger()
      finished(error)
    })
  }

  // One for all sends. The host hears of an error first: what the writer's callers get is the abort it makes of it.
  readonly #sent = (error?: Error | null): void => {
    if (error != null) this.failed(error)
    this.#told?.(error)
  }

  overflow(error: LimitExceededError): void {
    this.#host.overflowed(error)
  }

  arrived(chunk: Buffer): void {
    this.bytesIn += chunk.length
    this.#stats.bytesIn += chunk.length
    this.#readTimer?.byteCame()
    if (!this.#discarding) {
      if (this.#reader?.push(chunk) === false) this.#socket.pause()
      return
    }
    this.#discarded += chunk.length
    if (this.#discarded < lingerBytes) return
    if (this.#outputEnded) this.#socket.destroy()
    else this.#socket.pause()
  }

  inputEnded(): void {
    this.#inputEnded = true
    this.#reader?.end()
  }

  failed(error: Error): void {
    // Once all has left, how the peer goes is its own affair.
    if (!this.#outputEnded || !this.#discarding) this.#host.peerGone(error)
  }

  timedOut(): void {
    if ((this.#writer?.length ?? 0) > 0) this.#host.timedOut(this.#timeout ?? 0)
  }

  closed(): void {
    this.#readTimer?.end()
    if (this.#lingering) hasLeft(this.#socket)
    this.#over ??= connectionClosed
    this.#reader?.fail(this.#over)
    this.#writer?.fail(this.#over)
    this.#host.socketClosed()
  }

  // A handshake has been sent before: the first small write would wait for its acknowledgement.
  #sendAtOnce(): void {
    if (this.#noDelay === 'off') return
    this.#noDelay = 'set'
    this.#socket.setNoDelay(true)
  }

  #giveUp(fault: Fault): void {
    this.#over ??= fault
    this.#reader?.close(fault)
    this.#writer?.fail(fault)
  }

  #linger(): void {
    if (this.#inputEnded || this.#socket.destroyed || this.#lingering) return
    if (this.#discarded >= lingerBytes) this.#socket.destroy()
    else {
      this.#lingering = true
      linger(this.#socket)
    }
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
