import type { Socket } from 'node:net'
import type { Sender } from '../../bytes/stream-writer.ts'

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
  /** A send got nowhere for as long as the timeout says; by a socket of Node's, nothing came meanwhile either. */
  timedOut(): void
  /** The descriptor has been given back. */
  closed(): void
}

/** Called once, when the end of the output is the kernel's, or with an error. */
export type Ended = (error?: Error | null) => void

/** The error of bytes whose buffer was detached before they had left. */
export function takenAway(what: string): TypeError {
  return new TypeError(`${what} were taken away before they were sent: their buffer is detached`)
}

// A peer could not tell: nothing, or zeros, would go in their place.
function checkWhole(chunks: readonly Uint8Array[], bytes: number): void {
  let left = bytes
  for (let i = 0; i < chunks.length; i++) left -= (chunks[i] as Uint8Array).length
  if (left !== 0) throw takenAway(`${left} bytes`)
}

/** What moves the bytes of a connection: a bare descriptor, or a socket of Node's. */
export abstract class Wire {
  readonly host: WireHost
  #noDelay: 'wanted' | 'set' | 'off'
  #sentAny = false

  /**
   * @param host - who is told what happens
   * @param noDelay - set TCP_NODELAY before it could matter
   */
  constructor(host: WireHost, noDelay: boolean) {
    this.host = host
    this.#noDelay = noDelay ? 'wanted' : 'off'
  }

  /** The descriptor; `undefined` where it is not known, or not ours any more. */
  abstract get fd(): number | undefined
  /** Whether it was destroyed, or taken out. */
  abstract get isGone(): boolean
  /** Whether there is a socket of the system's, and not a stream that stands for one. */
  abstract get isReal(): boolean
  /** Whether it is encrypted. */
  abstract get encrypted(): boolean
  /** Whether anybody has begun to read. */
  abstract get reading(): boolean
  /** Whether the peer's end was read. */
  abstract get inputOver(): boolean
  /** Milliseconds after which a send that gets nowhere has timed out; 0 for never. */
  abstract set timeout(milliseconds: number)

  /** Read, or go on reading. */
  abstract read(): void
  /** Read no more, until another wire takes the place of this one. */
  abstract suspend(): void
  /** End the output. */
  abstract end(ended: Ended): void
  /** Let go at once. */
  abstract destroy(): void
  /** Take the socket out, for good. */
  abstract release(): Socket
  /**
   * Send chunks in order. Of an error the host hears first: what the writer's callers get is the abort that it makes of it.
   */
  protected abstract transmit(chunks: readonly Uint8Array[], sender: Sender): void
  /** Set TCP_NODELAY. */
  protected abstract setNoDelay(on: boolean): void

  /** TCP_NODELAY: where it is wanted it is set before it could matter. */
  set noDelay(wanted: boolean) {
    if (!wanted && this.#noDelay === 'set') this.setNoDelay(false)
    this.#noDelay = wanted ? 'wanted' : 'off'
  }

  /** Whether TCP_NODELAY is wanted, set or not yet. */
  get noDelay(): boolean {
    return this.#noDelay !== 'off'
  }

  /** Send chunks in order; one call at a time. Throws where bytes of them were taken away meanwhile. */
  send(chunks: readonly Uint8Array[], bytes: number, sender: Sender): void {
    checkWhole(chunks, bytes)
    // A first send that fits a segment leaves at once anyway: most short connections are spared the system call.
    if (this.#noDelay === 'wanted' && (this.#sentAny || bytes > smallestSegment)) this.sendAtOnce()
    this.#sentAny = true
    const separate = chunks.length === 1 || (bytes > joinUpTo && bytes >= chunks.length * smallChunk)
    this.transmit(separate ? chunks : [Buffer.concat(chunks, bytes)], sender)
  }

  /** Set TCP_NODELAY now, where it is wanted: the next small write would wait for an acknowledgement. */
  protected sendAtOnce(): void {
    if (this.#noDelay === 'off') return
    this.#noDelay = 'set'
    this.setNoDelay(true)
  }
}
