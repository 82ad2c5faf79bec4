import type { Socket } from 'node:net'
import type { Sender } from '../../bytes/stream-writer.ts'
import { EAGAIN, EINTR, libc } from '../native/libc.ts'
import { MSG_DONTWAIT, MSG_MORE, MSG_NOSIGNAL } from '../native/message-flags.ts'
import { EPOLLERR, EPOLLHUP, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, reactor, type Watched } from '../native/reactor.ts'
import { receive, received, receiveNothing, worthAsking } from '../native/receive.ts'
import { pausedSocket } from './paused-socket.ts'
import { SocketWire } from './socket-wire.ts'
import { type Ended, takenAway, Wire, type WireHost } from './wire.ts'

const SHUT_WR = 1

const IPPROTO_TCP = 6
const TCP_NODELAY = 1
const yes = new Int32Array([1])
const no = new Int32Array([0])

// A read that gets less than it asked for has got all, but where one of these is there.
const more = EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP

function tellClosed(host: WireHost): void {
  host.closed()
}

/**
 * A connection by its bare descriptor: read and written by system calls, when the {@link reactor} says that it can be.
 * No socket of Node's stands behind it, which is what makes a connection cheap: one is made where somebody wants it.
 */
export class NativeWire extends Wire implements Watched {
  #fd: number
  watch = 0
  #watched = false
  #reading = false
  #flowing = false
  // All that has come was read: an event tells of more.
  #drained = false
  // Something is there behind which a short read says nothing.
  #more = false
  #bulk = false
  #goesOn = false
  #inputOver = false
  #outputOver = false
  #failure: Error | undefined
  // What found no room in the kernel.
  #rest: Uint8Array[] | undefined
  #sender: Sender | undefined
  #ended: Ended | undefined
  #timeout = 0
  #timer: NodeJS.Timeout | undefined

  /**
   * @param fd - open, non-blocking, and nobody else's
   * @param host - who is told what happens
   * @param noDelay - set TCP_NODELAY before it could matter
   * @param inParts - a short read never says that all was read: a Unix socket ends one where descriptors were sent along
   */
  constructor(fd: number, host: WireHost, noDelay: boolean, inParts = false) {
    super(host, noDelay)
    this.#fd = fd
    this.#more = inParts
  }

  override get fd(): number | undefined {
    return this.#fd >= 0 ? this.#fd : undefined
  }

  override get isGone(): boolean {
    return this.#fd < 0
  }

  override get isReal(): boolean {
    return true
  }

  override get encrypted(): boolean {
    return false
  }

  override get reading(): boolean {
    return this.#reading
  }

  override get inputOver(): boolean {
    return this.#inputOver
  }

  override set timeout(milliseconds: number) {
    this.#timeout = milliseconds
    if (this.#rest !== undefined) this.#watchTime()
  }

  /** Reads at once where nothing was read before: most clients have sent something by then. */
  override read(): void {
    if (this.#flowing || this.#inputOver || this.isGone) return
    this.#flowing = true
    if (!this.#reading) {
      this.#reading = true
      // Only bytes are taken here: whoever asks for them is in the middle of asking, and hears of an end or an error later.
      // What is dropped can wait for its event, but where that has been told already.
      if (this.host.discarding) this.#drained = !this.#watched
      else this.#receiveOnce()
    }
    this.#carryOn()
  }

  override suspend(): void {
    this.#flowing = false
  }

  override end(ended: Ended): void {
    this.#ended = ended
    if (this.#rest === undefined) this.#endOutput()
  }

  override destroy(): void {
    if (this.isGone) return
    const fd = this.#giveUp()
    libc().close(fd)
    // Later, as sockets do: whoever destroys it has not told anybody why yet.
    process.nextTick(tellClosed, this.host)
  }

  override release(): Socket {
    const socket = this.#plain()
    if (this.noDelay) socket.setNoDelay(true)
    return socket
  }

  /** Take the descriptor out, for good; nothing is being sent. */
  take(): number {
    if (this.#watched) reactor().remove(this.#fd)
    this.#watched = false
    return this.#giveUp()
  }

  /** A wire in place of this one, suspended as it is, by a socket of Node's. */
  bySocket(): SocketWire {
    const wire = new SocketWire(this.#plain(), this.host, this.noDelay)
    if (this.#timeout > 0) wire.timeout = this.#timeout
    return wire
  }

  ready(events: number): void {
    if ((events & EPOLLOUT) !== 0 && this.#rest !== undefined) this.#sendRest(this.#rest)
    if ((events & ~EPOLLOUT) === 0) return
    this.#drained = false
    if ((events & more) !== 0) this.#more = true
    this.#receive()
  }

  goOn(): void {
    this.#goesOn = false
    if (this.#failure === undefined) this.#receive()
    else this.#fail(this.#failure)
  }

  protected override transmit(chunks: readonly Uint8Array[], sender: Sender): void {
    // Whoever waits for it hears of the close.
    if (this.isGone) return
    const left = this.#sendNow(chunks)
    if (left === undefined) sender.sent()
    else {
      this.#rest = left
      this.#sender = sender
      this.#watchTime()
      // Of what has failed it hears a turn later.
      if (!this.#watched && this.#failure === undefined) this.#beWatched()
    }
  }

  // Of a peer that is gone the next read or write tells.
  protected override setNoDelay(on: boolean): void {
    if (!this.isGone) libc().setsockopt(this.#fd, IPPROTO_TCP, TCP_NODELAY, on ? yes : no, yes.byteLength)
  }

  /** Ask for what comes next: at once where more has come, else of the reactor. */
  #carryOn(): void {
    if (!this.#flowing || this.isGone || this.#failure !== undefined) return
    if (!this.#drained) this.#goOnLater()
    else if (!this.#watched) this.#beWatched()
  }

  // Once: then others have their turn.
  #receive(): void {
    if (!this.#flowing || this.#drained || this.isGone || this.#failure !== undefined) return
    if (this.#receiveOnce() === 0) this.#inputEnds()
    else this.#carryOn()
  }

  /** Bytes that came; 0 for the end of the input, -1 for none. */
  #receiveOnce(): number {
    const { host } = this
    const chunk = host.discarding ? receiveNothing(this.#fd) : receive(this.#fd, this.#bulk)
    const { size, full } = received
    if (size > 0) {
      this.#drained = !full && !this.#more
      this.#bulk = size >= worthAsking
      if (!(chunk === undefined ? host.discard(size) : host.arrived(chunk))) this.#flowing = false
    } else if (size < 0 && this.#noteFailure('read') === 'not yet') this.#drained = true
    return size
  }

  /** Why the last call came to nothing. Of a failure the host hears a turn later: see {@link NativeWire.goOn}. */
  #noteFailure(call: string): 'again' | 'not yet' | 'failed' {
    const errno = libc().errno()
    if (errno === EINTR) return 'again'
    if (errno === EAGAIN) return 'not yet'
    this.#failure ??= libc().error(call)
    this.#goOnLater()
    return 'failed'
  }

  #inputEnds(): void {
    this.#inputOver = true
    this.#flowing = false
    this.host.inputEnded()
    if (this.#outputOver) this.destroy()
  }

  /** What of them found no room; `undefined` where all has left. */
  #sendNow(chunks: readonly Uint8Array[]): Uint8Array[] | undefined {
    const { send } = libc()
    const last = chunks.length - 1
    for (let i = 0; i <= last; i++) {
      let chunk = chunks[i] as Uint8Array
      // It had bytes, and has waited.
      if (chunk.length === 0) return this.#wasTakenAway(chunks.slice(i))
      // Asked until it says no: only then an event tells of room.
      for (;;) {
        const sent = send(this.#fd, chunk, chunk.length, MSG_DONTWAIT | MSG_NOSIGNAL | (i < last ? MSG_MORE : 0))
        if (sent === chunk.length) break
        if (sent >= 0) chunk = chunk.subarray(sent)
        else if (this.#noteFailure('write') !== 'again') return [chunk, ...chunks.slice(i + 1)]
      }
    }
    return undefined
  }

  #wasTakenAway(left: Uint8Array[]): Uint8Array[] {
    this.#failure ??= takenAway('Bytes')
    this.#goOnLater()
    return left
  }

  #sendRest(rest: Uint8Array[]): void {
    const before = rest.length
    const first = rest[0]?.length
    const left = this.#sendNow(rest)
    if (left !== undefined) {
      this.#rest = left
      if (left.length !== before || left[0]?.length !== first) this.#timer?.refresh()
      return
    }
    this.#rest = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
    const sender = this.#sender
    this.#sender = undefined
    sender?.sent()
    if (this.#ended !== undefined && this.#rest === undefined && !this.isGone) this.#endOutput()
  }

  #endOutput(): void {
    const ended = this.#ended as Ended
    this.#ended = undefined
    this.#outputOver = true
    // Where the peer has ended, closing says the same. One that has reset can't be told, and all had left.
    if (!this.#inputOver && !this.isGone) libc().shutdown(this.#fd, SHUT_WR)
    ended()
    if (this.#inputOver) this.destroy()
  }

  #fail(error: Error): void {
    if (this.isGone) return
    const sender = this.#sender
    this.#sender = undefined
    this.host.failed(error)
    sender?.sent(error)
    this.destroy()
  }

  #beWatched(): void {
    try {
      reactor().add(this.#fd, this)
      this.#watched = true
    } catch (error) {
      this.#failure ??= error as Error
      this.#goOnLater()
    }
  }

  #goOnLater(): void {
    if (this.#goesOn) return
    this.#goesOn = true
    reactor().again(this)
  }

  #watchTime(): void {
    clearTimeout(this.#timer)
    if (this.#timeout > 0) this.#timer = setTimeout(() => this.host.timedOut(), this.#timeout)
  }

  /** A socket of Node's that owns the descriptor from now on. */
  #plain(): Socket {
    return pausedSocket(this.take())
  }

  /** The number is somebody else's from now on. */
  #giveUp(): number {
    const fd = this.#fd
    this.#fd = -1
    this.#flowing = false
    this.#rest = undefined
    this.#sender = undefined
    clearTimeout(this.#timer)
    if (this.#watched) reactor().forget(fd)
    this.#watched = false
    return fd
  }
}
