import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { NativeSocket, type SlabReader } from './native-socket.ts'

// The least segment that a TCP peer must take.
const smallestSegment = 536

// Copying this much costs less than a second entry in the writev.
const joinUpTo = 16_384
const smallChunk = 1_024

/** Who is told what happens on a {@link Wire}. */
export interface WireHost {
  /** What comes is dropped, and needs no copy. */
  readonly discarding: boolean
  /** Bytes have come; false where no more are wanted now. */
  arrived(chunk: Buffer): boolean
  /** Bytes have come that are dropped; false where no more are wanted now. */
  discard(size: number): boolean
  /** The peer has ended its output. */
  inputEnded(): void
  /** The peer has reset the connection, or can't be written to. */
  failed(error: Error): void
  /** Nothing came or left for as long as the timeout says. */
  timedOut(): void
  /** The descriptor has been given back. */
  closed(): void
}

/** Called once, when what was sent is the kernel's, or with an error. */
export type Sent = (error?: Error | null) => void

const wireOf = Symbol('wire')

interface Carrier extends Socket {
  [wireOf]?: Wire | undefined
}

// A peer could not tell: nothing, or zeros, would go in their place.
function checkWhole(chunks: readonly Uint8Array[], bytes: number): void {
  let left = bytes
  for (let i = 0; i < chunks.length; i++) left -= (chunks[i] as Uint8Array).length
  if (left !== 0) throw new TypeError(`${left} bytes were taken away before they were sent: their buffer is detached`)
}

// Shared functions, found again by a property of the socket: closures would cost each idle connection a kilobyte.
function onData(this: Carrier, chunk: Buffer): void {
  if (this[wireOf]?.host.arrived(chunk) === false) this.pause()
}

function onEnd(this: Carrier): void {
  this[wireOf]?.host.inputEnded()
}

function onError(this: Carrier, error: Error): void {
  this[wireOf]?.host.failed(error)
}

function onClose(this: Carrier): void {
  this[wireOf]?.closed()
}

function onTimeout(this: Carrier): void {
  this[wireOf]?.host.timedOut()
}

/** A connection's socket, whatever it is at the time: a bare descriptor, a `net.Socket`, a `TLSSocket` in its place. */
export class Wire implements SlabReader {
  readonly host: WireHost
  // Not there while the descriptor is bare.
  #carrier: Carrier | undefined
  #native: NativeSocket | undefined
  #noDelay: 'wanted' | 'set' | 'off'
  #timeout: number | undefined
  #reading = false
  #sentAny = false
  #told: Sent | undefined

  /**
   * @param socket - paused and unread, half-open allowed; or a bare descriptor
   * @param host - who is told what happens
   * @param noDelay - set TCP_NODELAY before it could matter
   */
  constructor(socket: Socket | NativeSocket, host: WireHost, noDelay: boolean) {
    this.host = host
    this.#noDelay = noDelay ? 'wanted' : 'off'
    if (socket instanceof NativeSocket) this.#native = socket
    else this.#carry(socket)
    if (this.encrypted) this.#sendAtOnce()
  }

  /** The socket, made of the descriptor where that is bare. */
  get socket(): Socket {
    return this.#carrier ?? this.#carry((this.#native as NativeSocket).open(this))
  }

  /** The descriptor; `undefined` where it is not known, or not ours any more. */
  get fd(): number | undefined {
    return this.#native !== undefined && !this.isGone ? this.#native.fd : undefined
  }

  /** Whether it was destroyed, or taken out. */
  get isGone(): boolean {
    if (this.#carrier === undefined) return (this.#native?.fd ?? -1) < 0
    return this.#carrier.destroyed || this.#carrier[wireOf] !== this
  }

  /** Whether there is a socket of the system's, and not a stream that stands for one. */
  get isReal(): boolean {
    return this.#native !== undefined || this.#carrier instanceof Socket
  }

  /** Whether the socket is a `TLSSocket`. */
  get encrypted(): boolean {
    return (this.#carrier as Partial<TLSSocket> | undefined)?.encrypted === true
  }

  /** Whether anybody has begun to read. */
  get reading(): boolean {
    return this.#reading
  }

  /** Whether the peer's end was read. */
  get inputOver(): boolean {
    return this.#carrier?.readableEnded === true
  }

  /** Milliseconds after which a send that gets nowhere has timed out; 0 for never. */
  set timeout(milliseconds: number) {
    if (this.#timeout === undefined) this.#carrier?.on('timeout', onTimeout)
    this.#timeout = milliseconds
  }

  /** TCP_NODELAY: where it is wanted it is set before it could matter. */
  set noDelay(wanted: boolean) {
    if (!wanted && this.#noDelay === 'set') this.#setNoDelay(false)
    this.#noDelay = wanted ? 'wanted' : 'off'
  }

  /** Read, or go on reading. */
  read(): void {
    const { socket } = this
    if (!this.#reading) {
      this.#reading = true
      // A bare descriptor's socket reads into the slab.
      if (this.#native === undefined) socket.on('data', onData)
      socket.on('end', onEnd)
    }
    socket.resume()
  }

  slabRead(slab: Buffer, size: number): boolean {
    return this.host.discarding ? this.host.discard(size) : this.host.arrived(Buffer.from(slab.subarray(0, size)))
  }

  /** Send chunks in order; one call at a time. Throws where bytes of them were taken away meanwhile. */
  send(chunks: readonly Uint8Array[], bytes: number, sent: Sent): void {
    checkWhole(chunks, bytes)
    // A first send that fits a segment leaves at once anyway: most short connections are spared the system call.
    if (this.#noDelay === 'wanted' && (this.#sentAny || bytes > smallestSegment)) this.#sendAtOnce()
    this.#sentAny = true
    if (chunks.length > 1 && bytes > joinUpTo && bytes >= chunks.length * smallChunk) {
      this.#write(chunks, sent)
      return
    }
    const chunk = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, bytes)
    const left = this.#sendNow(chunk)
    if (left === bytes) sent()
    else this.#write([left === 0 ? chunk : chunk.subarray(left)], sent)
  }

  /** End the output. */
  end(ended: Sent): void {
    // Node 20 forgets the close_notify where its last record is still being written: the peer takes that for an attack.
    if (this.encrypted) setImmediate(() => this.socket.end(ended))
    else this.socket.end(ended)
  }

  /** Let go at once. */
  destroy(): void {
    if (this.#carrier !== undefined) {
      this.#carrier.destroy()
      return
    }
    if (this.isGone) return
    this.#native?.close()
    // Later, as sockets do: whoever destroys it has not told anybody why yet.
    process.nextTick(() => this.closed())
  }

  /** Take the socket out, for good. */
  release(): Socket {
    const socket: Carrier = this.#carrier ?? (this.#native as NativeSocket).plain()
    this.#native = undefined
    this.#carrier = socket
    socket[wireOf] = undefined
    socket.off('error', onError)
    socket.off('close', onClose)
    socket.off('timeout', onTimeout)
    if (this.#noDelay === 'wanted') socket.setNoDelay(true)
    return socket
  }

  /** Read no more, until another socket takes the place of this one. */
  suspend(): void {
    const { socket } = this
    socket.pause()
    socket.off('data', onData)
    socket.off('timeout', onTimeout)
  }

  /** Lend the suspended socket to somebody who watches it. */
  lend(): Socket {
    const { socket } = this
    socket.off('end', onEnd)
    socket.off('error', onError)
    socket.off('close', onClose)
    socket.setTimeout(0)
    return socket
  }

  /** What was lent comes back, destroyed. */
  reclaim(): void {
    if (this.socket.closed) this.closed()
    else this.socket.on('close', onClose)
  }

  /** Go on with another socket, which stands for the one that was lent. */
  adopt(socket: Socket): void {
    if (this.#carrier !== undefined) this.#carrier[wireOf] = undefined
    this.#native = undefined
    this.#reading = false
    this.#carry(socket)
    this.#sendAtOnce()
  }

  closed(): void {
    this.#native?.forget()
    this.host.closed()
  }

  #carry(socket: Carrier): Carrier {
    this.#carrier = socket
    socket[wireOf] = this
    socket.on('error', onError)
    socket.on('close', onClose)
    if (this.#timeout !== undefined) socket.on('timeout', onTimeout)
    return socket
  }

  // What finds room in the kernel needs no stream. Never by the number of a socket that is destroyed: the kernel may have
  // given it to another client.
  #sendNow(chunk: Uint8Array): number {
    if (this.#native === undefined || this.isGone) return 0
    const socket = this.#carrier
    return socket === undefined || (socket.writableLength === 0 && !socket.writableEnded) ? this.#native.send(chunk) : 0
  }

  #write(chunks: readonly Uint8Array[], sent: Sent): void {
    const { socket } = this
    if (this.#timeout !== undefined) socket.setTimeout(this.#timeout)
    this.#told = sent
    const last = chunks.length - 1
    if (last > 0) socket.cork()
    for (let i = 0; i < last; i++) socket.write(chunks[i] as Uint8Array)
    socket.write(chunks[last] as Uint8Array, this.#sent)
    if (last > 0) socket.uncork()
  }

  // One for all sends.
  readonly #sent: Sent = (error) => this.#told?.(error)

  // A handshake has been sent before: the first small write would wait for its acknowledgement.
  #sendAtOnce(): void {
    if (this.#noDelay === 'off') return
    this.#noDelay = 'set'
    this.#setNoDelay(true)
  }

  #setNoDelay(on: boolean): void {
    if (this.#carrier === undefined) this.#native?.setNoDelay(on)
    else this.#carrier.setNoDelay(on)
  }
}
