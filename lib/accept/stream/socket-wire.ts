import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Sender } from '../../bytes/stream-writer.ts'
import { standIn } from './stand-in.ts'
import { destroyWedged } from './wedged.ts'
import { type Ended, Wire, type WireHost } from './wire.ts'

const wireOf = Symbol('wire')

interface Carrier extends Socket {
  [wireOf]?: SocketWire | undefined
}

// Shared functions, found again by a property of the socket: closures would cost each idle connection a kilobyte.
function onData(this: Carrier, chunk: Buffer): void {
  if (this[wireOf]?.host.arrived(chunk) === false) this.pause()
}

function onEnd(this: Carrier): void {
  const wire = this[wireOf]
  if (wire?.encrypted === true) destroyWedged(this)
  wire?.host.inputEnded()
}

function onError(this: Carrier, error: Error): void {
  this[wireOf]?.host.failed(error)
}

function onClose(this: Carrier): void {
  this[wireOf]?.host.closed()
}

function onTimeout(this: Carrier): void {
  this[wireOf]?.host.timedOut()
}

/** A connection by a socket of Node's: a `net.Socket`, a `TLSSocket`, or a stream that stands for one. */
export class SocketWire extends Wire {
  #socket!: Carrier
  #timeout: number | undefined
  #reading = false
  #sender: Sender | undefined

  /**
   * @param socket - paused and unread, half-open allowed
   * @param host - who is told what happens
   * @param noDelay - set TCP_NODELAY before it could matter
   */
  constructor(socket: Socket, host: WireHost, noDelay: boolean) {
    super(host, noDelay)
    this.#carry(socket)
    // A handshake has been sent before: the first small write would wait for its acknowledgement.
    if (this.encrypted) this.sendAtOnce()
  }

  /** The socket. */
  get socket(): Socket {
    return this.#socket
  }

  /** `undefined`: Node does not tell it. */
  override get fd(): undefined {
    return undefined
  }

  override get isGone(): boolean {
    return this.#socket.destroyed || this.#socket[wireOf] !== this
  }

  override get isReal(): boolean {
    return this.#socket instanceof Socket || standIn in this.#socket
  }

  override get encrypted(): boolean {
    return (this.#socket as Partial<TLSSocket>).encrypted === true
  }

  override get reading(): boolean {
    return this.#reading
  }

  override get inputOver(): boolean {
    return this.#socket.readableEnded
  }

  override set timeout(milliseconds: number) {
    if (this.#timeout === undefined) this.#socket.on('timeout', onTimeout)
    this.#timeout = milliseconds
  }

  override read(): void {
    const socket = this.#socket
    if (!this.#reading) {
      this.#reading = true
      socket.on('data', onData)
      socket.on('end', onEnd)
    }
    socket.resume()
  }

  override end(ended: Ended): void {
    // Node 20 forgets the close_notify where its last record is still being written: the peer takes that for an attack.
    if (this.encrypted) setImmediate(() => this.#socket.end(ended))
    else this.#socket.end(ended)
  }

  override destroy(): void {
    this.#socket.destroy()
  }

  override release(): Socket {
    const socket = this.#socket
    socket[wireOf] = undefined
    socket.off('error', onError)
    socket.off('close', onClose)
    socket.off('timeout', onTimeout)
    if (this.noDelay) socket.setNoDelay(true)
    return socket
  }

  override suspend(): void {
    const socket = this.#socket
    socket.pause()
    socket.off('data', onData)
    socket.off('timeout', onTimeout)
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
    if (this.#socket.closed) this.host.closed()
    else this.#socket.on('close', onClose)
  }

  /** Go on with another socket, which stands for the one that was lent. */
  adopt(socket: Socket): void {
    this.#socket[wireOf] = undefined
    this.#reading = false
    this.#carry(socket)
    this.sendAtOnce()
  }

  protected override transmit(chunks: readonly Uint8Array[], sender: Sender): void {
    const socket = this.#socket
    if (this.#timeout !== undefined) socket.setTimeout(this.#timeout)
    this.#sender = sender
    const last = chunks.length - 1
    if (last > 0) socket.cork()
    for (let i = 0; i < last; i++) socket.write(chunks[i] as Uint8Array)
    socket.write(chunks[last] as Uint8Array, this.#sent)
    if (last > 0) socket.uncork()
  }

  protected override setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on)
  }

  #carry(socket: Carrier): void {
    this.#socket = socket
    socket[wireOf] = this
    socket.on('error', onError)
    socket.on('close', onClose)
    if (this.#timeout !== undefined) socket.on('timeout', onTimeout)
  }

  // One for all sends.
  readonly #sent = (error?: Error | null): void => {
    if (error != null) this.host.failed(error)
    this.#sender?.sent(error)
  }
}
