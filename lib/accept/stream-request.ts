import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address } from '../address.ts'
import { count, flag, integer, milliseconds } from '../arguments.ts'
import { nodeStream } from '../bytes/node-stream.ts'
import { type WebStreams, webStreams } from '../bytes/web-streams.ts'
import { type AbortedError, BusyError, ClosedError, type LimitExceededError } from '../errors.ts'
import type { RequestServer } from '../request.ts'
import type { RFile } from '../rfile.ts'
import type { Stats } from '../stats.ts'
import type { WFile } from '../wfile.ts'
import { RequestBase } from './request-base.ts'
import { SocketFlow, type StreamSettings } from './socket-flow.ts'

const anySize = { min: 1, max: Number.MAX_SAFE_INTEGER }

/**
 * An accepted connection: TCP or Unix.
 *
 * Nothing is read before somebody asks for a byte. `close()` sends what is left, ends the output and then reads and
 * drops what the peer still sends, for at most a second and 16 MiB, so that the reply arrives whole.
 *
 * Python: the socket that `get_request` returns.
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const answer = exchange(server.address, 'Ada\n')
 * for await (const request of server) {
 *   const name = await request.rfile.readLine({ chomp: true })
 *   request.wfile.write(`hello ${name}`)
 *   await request.close()
 *   break
 * }
 * assert.equal(await answer, 'hello Ada')
 */
export class StreamRequest extends RequestBase {
  readonly #flow: SocketFlow

  /**
   * Made by a listener.
   *
   * @internal
   */
  constructor(
    socket: Socket,
    server: RequestServer,
    clientAddress: Address | undefined,
    stats: Stats,
    noDelay: boolean
  ) {
    super(server, clientAddress)
    this.#flow = new SocketFlow(socket, this, stats, noDelay)
  }

  /** The input. */
  override get rfile(): RFile {
    return this.#flow.reader
  }

  /** The output. */
  override get wfile(): WFile {
    return this.#flow.writer
  }

  /** Whether all has been sent, and only the peer's end is awaited. */
  override get lingering(): boolean {
    return this.#flow.lingering
  }

  /** Bytes that came in so far. */
  override get bytesIn(): number {
    return this.#flow.bytesIn
  }

  /** Bytes handed over to leave so far. */
  override get bytesOut(): number {
    return this.#flow.bytesOut
  }

  /**
   * Set what a handler's fields say. Python: what `StreamRequestHandler.setup` does.
   *
   * @param settings - what to set; what is left out stays
   */
  configure(settings: StreamSettings): void {
    milliseconds('timeout', settings.timeout, 1, 1)
    flag('noDelay', settings.noDelay, true)
    integer('readHighWaterMark', settings.readHighWaterMark, 1, anySize)
    integer('writeHighWaterMark', settings.writeHighWaterMark, 1, anySize)
    count('maxWriteQueue', settings.maxWriteQueue, 1)
    this.#flow.configure(settings)
  }

  /**
   * Take the socket out: untouched, paused, and no longer the server's to close.
   *
   * @returns the socket, with `allowHalfOpen`; call its `resume()` after your listeners are on
   * @throws {@link BusyError} after anything was read or written, {@link ClosedError} after the close
   */
  detach(): Socket {
    if (this.isGone || this.isClosing) throw new ClosedError('Cannot detach the socket: the request was closed')
    if (this.abortReason !== undefined) throw this.abortReason
    if (!this.#flow.untouched) {
      throw new BusyError(
        'Cannot detach the socket: the request was read or written already; toNodeStream() still works'
      )
    }
    const socket = this.#flow.release(new ClosedError('Cannot use the request: its socket was detached'))
    this.leave()
    return socket
  }

  /**
   * The request as a Node stream, over its rfile and wfile. Destroying the stream ends the request; `for await` over it
   * destroys it at the end, as it does every Node stream.
   */
  toNodeStream(): Duplex {
    return nodeStream(this)
  }

  /** The request as a `ReadableStream` and a `WritableStream`, over its rfile and wfile. */
  toWebStreams(): WebStreams {
    return webStreams(this)
  }

  /** @internal */
  peerGone(error: Error): void {
    this.abortFor('peer-gone', `the peer is gone (${(error as NodeJS.ErrnoException).code ?? error.message})`, error)
  }

  /** @internal */
  timedOut(timeout: number): void {
    this.abortFor('timeout', `nothing came or left for ${timeout} ms`)
  }

  /** @internal */
  overflowed(error: LimitExceededError): void {
    this.abort(error)
  }

  /** @internal */
  socketClosed(): void {
    this.leave()
  }

  /** Send what is left and release what the request holds. */
  protected override finish(): Promise<void> {
    return this.#flow.shut()
  }

  /** Let go at once. */
  protected override cut(error: AbortedError): void {
    if (error.cause === 'peer-gone') this.#flow.fail(error)
    else this.#flow.destroy(error)
  }

  /** Call back when no iteration of the source is under way. */
  protected override whenReadEnds(callback: () => void): void {
    this.#flow.reader.whenIdle(callback)
  }
}
