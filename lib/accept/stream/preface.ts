import type { Socket } from 'node:net'
import { EAGAIN, EINTR, libc } from '../native/libc.ts'
import { peek, takePeeked } from '../native/peek.ts'
import { reactor, type Watched } from '../native/reactor.ts'

/** What stands before a connection's own bytes, and knows where it ends. */
export interface PrefaceParser {
  /** The most bytes that may be missing; 0 when all of it has come. */
  readonly missing: number

  /**
   * Take what belongs to it, and look at nothing behind it. Throws where it is wrong.
   *
   * @param chunk - at least a byte; its memory is somebody else's afterwards
   * @returns how many bytes of the chunk
   */
  push(chunk: Buffer): number
}

/** Called once: all of it has come, or an error says why not; where that is none the input has ended. */
export type PrefaceEnded = (how: 'read' | 'ended' | Error) => void

/** The reading of a preface. */
export interface PrefaceReading {
  /** Begin. It may end at once. */
  begin(): void
  /** The connection is about to be closed: it ends with this error, a moment later. */
  cut(error: Error): void
}

/** Of a bare descriptor: what follows stays in the kernel, and nobody can tell that anything was read. */
export class NativePreface implements PrefaceReading, Watched {
  watch = 0
  readonly #fd: number
  readonly #parser: PrefaceParser
  readonly #ended: PrefaceEnded
  #watched = false
  #over = false

  constructor(fd: number, parser: PrefaceParser, ended: PrefaceEnded) {
    this.#fd = fd
    this.#parser = parser
    this.#ended = ended
  }

  begin(): void {
    this.#receive()
    if (this.#over) return
    try {
      reactor().add(this.#fd, this)
      this.#watched = true
    } catch (error) {
      this.#end(error as Error)
    }
  }

  cut(error: Error): void {
    if (this.#stop()) queueMicrotask(() => this.#ended(error))
  }

  ready(): void {
    this.#receive()
  }

  goOn(): void {}

  // Until nothing is there: an event tells of more only. The parser bounds it.
  #receive(): void {
    while (!this.#over) {
      const chunk = peek(this.#fd, this.#parser.missing)
      if (chunk === undefined) {
        const errno = libc().errno()
        if (errno === EAGAIN) return
        if (errno !== EINTR) this.#end(libc().error('read'))
      } else if (chunk.length === 0) this.#end('ended')
      else this.#take(chunk)
    }
  }

  #take(chunk: Buffer): void {
    try {
      takePeeked(this.#fd, this.#parser.push(chunk))
    } catch (error) {
      this.#end(error as Error)
      return
    }
    if (this.#parser.missing === 0) this.#end('read')
  }

  #end(how: 'read' | 'ended' | Error): void {
    if (this.#stop()) this.#ended(how)
  }

  /** False where it was over before. */
  #stop(): boolean {
    if (this.#over) return false
    this.#over = true
    if (this.#watched) reactor().remove(this.#fd)
    return true
  }
}

/** Of a socket of Node's: what follows is put back into it. Of its errors and its close others hear. */
export class SocketPreface implements PrefaceReading {
  readonly #socket: Socket
  readonly #parser: PrefaceParser
  readonly #ended: PrefaceEnded
  #over = false

  constructor(socket: Socket, parser: PrefaceParser, ended: PrefaceEnded) {
    this.#socket = socket
    this.#parser = parser
    this.#ended = ended
  }

  begin(): void {
    this.#socket.on('data', this.#onData).on('end', this.#onEnd).resume()
  }

  cut(error: Error): void {
    if (this.#stop()) queueMicrotask(() => this.#ended(error))
  }

  readonly #onData = (chunk: Buffer): void => {
    let taken: number
    try {
      taken = this.#parser.push(chunk)
    } catch (error) {
      this.#end(error as Error)
      return
    }
    if (this.#parser.missing > 0 || !this.#stop()) return
    if (taken < chunk.length) this.#socket.unshift(chunk.subarray(taken))
    this.#ended('read')
  }

  readonly #onEnd = (): void => this.#end('ended')

  #end(how: 'ended' | Error): void {
    if (this.#stop()) this.#ended(how)
  }

  /** False where it was over before. */
  #stop(): boolean {
    if (this.#over) return false
    this.#over = true
    this.#socket.off('data', this.#onData).off('end', this.#onEnd).pause()
    return true
  }
}
