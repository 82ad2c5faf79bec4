import { Socket } from 'node:net'
import { libc } from '../native/libc.ts'

const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000

const IPPROTO_TCP = 6
const TCP_NODELAY = 1
const yes = new Int32Array([1])
const no = new Int32Array([0])

const slabSize = 65_536

// One for all: what was read is copied out before anything else happens. Node's own reads take 64 KiB each.
const slab = Buffer.allocUnsafeSlow(slabSize)

/** Gets what is read. */
export interface SlabReader {
  /**
   * Bytes have come.
   *
   * @param slab - holds them, until this returns
   * @param size - how many
   * @returns false to read no more, until the socket is resumed
   */
  slabRead(slab: Buffer, size: number): boolean
}

const readerOf = Symbol('slab-reader')

interface SlabSocket extends Socket {
  [readerOf]?: SlabReader
}

// Called as a method of its socket: a closure would cost each connection a hundred bytes.
function onRead(this: unknown, size: number, bytes: Uint8Array): boolean {
  return (this as SlabSocket)[readerOf]?.slabRead(bytes as Buffer, size) ?? false
}

const onread = { buffer: () => slab, callback: onRead }

/**
 * An accepted connection that is a bare descriptor until somebody reads it. It is written by system calls: what finds room
 * in the kernel never goes through a stream.
 */
export class NativeSocket {
  #fd: number

  /** @param fd - open, non-blocking, and nobody else's */
  constructor(fd: number) {
    this.#fd = fd
  }

  /** The descriptor; -1 when it has been given away. */
  get fd(): number {
    return this.#fd
  }

  /** A socket that reads into the slab. It owns the descriptor from now on: {@link NativeSocket.forget} it with the socket. */
  open(reader: SlabReader): Socket {
    const options = { fd: this.#fd, allowHalfOpen: true, pauseOnCreate: true, onread }
    const socket: SlabSocket = new Socket(options)
    socket[readerOf] = reader
    return socket
  }

  /** An ordinary socket, which owns the descriptor. */
  plain(): Socket {
    const options = { fd: this.#fd, allowHalfOpen: true, pauseOnCreate: true }
    this.#fd = -1
    return new Socket(options)
  }

  /**
   * Send at once what there is room for.
   *
   * @returns bytes that have left: 0 also where it failed, of which the next ordinary write hears
   */
  send(bytes: Uint8Array): number {
    return Math.max(0, libc().send(this.#fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL))
  }

  /** TCP_NODELAY, while the descriptor is bare. Of a peer that is gone the next read or write tells. */
  setNoDelay(on: boolean): void {
    libc().setsockopt(this.#fd, IPPROTO_TCP, TCP_NODELAY, on ? yes : no, yes.byteLength)
  }

  /** Its number may be somebody else's from now on. */
  forget(): void {
    this.#fd = -1
  }

  /** Give a descriptor back that nobody has opened. */
  close(): void {
    if (this.#fd >= 0) libc().close(this.#fd)
    this.#fd = -1
  }
}
