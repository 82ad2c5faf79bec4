import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { Address } from '../../address.ts'
import { count, flag, integer, milliseconds } from '../../arguments.ts'
import { nodeStream } from '../../bytes/node-stream.ts'
import { type WebStreams, webStreams } from '../../bytes/web-streams.ts'
import { type AbortedError, BusyError, ClosedError, NotSupportedError } from '../../errors.ts'
import { rejection, settled } from '../../iterator/deferred.ts'
import type { Settlement } from '../../outcome.ts'
import type { ProxyHeader } from '../../proxy-header.ts'
import type { RFile } from '../../rfile.ts'
import type { WFile } from '../../wfile.ts'
import { type PeerCredentials, peerCredentials } from '../native/peer-credentials.ts'
import type { ReadHeader } from '../proxy/read-header.ts'
import { RequestBase } from '../request/request-base.ts'
import type { TLSOptions } from '../tls/tls-options.ts'
import { engineOf, Upgrade } from '../tls/upgrade.ts'
import type { Counted, Occupancy } from './occupancy.ts'
import type { Parcel, Passing } from './parcel.ts'
import type { PrefaceEnded, PrefaceParser, PrefaceReading } from './preface.ts'
import { SocketFlow } from './socket-flow.ts'
import type { ConnectionContext } from './stream-context.ts'
import type { StreamSettings } from './stream-settings.ts'

const anySize = { min: 1, max: Number.MAX_SAFE_INTEGER }

/**
 * An accepted connection: TCP, TLS or Unix.
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
  readonly #occupancy: Occupancy | undefined
  #counted: Counted
  #upgrade: Upgrade | undefined
  #preface: PrefaceReading | undefined
  #proxied: ReadHeader | undefined
  #peer: PeerCredentials | undefined
  #handedOver = false
  /**
   * Set by whoever reads ahead of the work on it: whether nobody waits for the client although a read does.
   *
   * @internal
   */
  readsAhead: (() => boolean) | undefined = undefined

  /**
   * Made by a listener.
   *
   * @internal
   */
  constructor(
    socket: Socket | number,
    clientAddress: Address | undefined,
    context: ConnectionContext,
    counted?: Counted
  ) {
    super(context.server, clientAddress)
    this.#flow = new SocketFlow(socket, this, context, clientAddress?.family === 'unix')
    this.#occupancy = context.occupancy
    this.#counted = counted
  }

  /** The input. */
  override get rfile(): RFile {
    return this.#flow.reader
  }

  /**
   * What a proxy has said of the connection, where it came with a PROXY header: see {@link ProxyHeader}, and the option
   * `proxyProtocol` of {@link TCPServer}. Where it names a client, that is the `clientAddress`.
   */
  get proxy(): ProxyHeader | undefined {
    return this.#proxied?.header
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

  /** Whether the connection is encrypted: TLS, from its beginning or since `startTLS()`. */
  get encrypted(): boolean {
    return this.#flow.encrypted
  }

  /** Whether the client's certificate was asked for and accepted. */
  get authorized(): boolean {
    return this.#tls?.authorized ?? false
  }

  /** Why the client's certificate was not accepted, in OpenSSL's word, where it was asked for and let pass. */
  get authorizationError(): string | undefined {
    // A word, whatever the types say.
    return (this.#tls?.authorizationError as string | null | undefined) ?? undefined
  }

  /** The client's certificate; `undefined` where it has shown none, and once the connection has closed. */
  get peerCertificate(): PeerCertificate | undefined {
    const certificate = this.#tls?.getPeerCertificate() as PeerCertificate | null | undefined
    return certificate == null || Object.keys(certificate).length === 0 ? undefined : certificate
  }

  /** The protocol agreed on by ALPN, where one was. */
  get alpnProtocol(): string | undefined {
    return this.#tls?.alpnProtocol || undefined
  }

  /** The name of the server that the client asked for by SNI, where it did. */
  get servername(): string | undefined {
    // Typed for clients only: it is theirs that the server sees.
    const { servername } = (this.#tls ?? {}) as { readonly servername?: string | false | null }
    return servername || undefined
  }

  /** `'TLSv1.3'`, say; `undefined` where the connection is not encrypted, and once it has closed. */
  get tlsVersion(): string | undefined {
    return this.#tls?.getProtocol() ?? undefined
  }

  /**
   * Who has connected, of a Unix connection: process, user and group, as the kernel noted them when the client called
   * `connect()`; `undefined` of any other connection. What was asked once can be asked again after the close. Behind a proxy
   * it is the proxy that has connected.
   *
   * @throws {@link NotSupportedError} where the kernel cannot be asked: by Node's own sockets, in a MemoryServer
   * @throws {@link ClosedError} after the close: the number of the connection may be another client's by then
   *
   * @example
   * const mine = (request: StreamRequest) => request.peerCredentials?.uid === process.getuid?.()
   * const server = await new UnixStreamServer({ path: temporaryPath(), backend: 'native' }).listen()
   * const serving = pipe(server, verify(mine), parallel((request: Request) => pipe(request, request)), drain)
   * assert.equal(await exchange(server.address, 'it is me'), 'it is me')
   * await server.close()
   * await serving
   */
  get peerCredentials(): PeerCredentials | undefined {
    const peer = this.#proxied === undefined ? this.clientAddress : this.#proxied.header.proxyAddress
    if (peer?.family !== 'unix') return undefined
    const { fd } = this.#flow
    if (this.#peer === undefined && fd !== undefined) this.#peer = peerCredentials(fd)
    if (this.#peer !== undefined) return this.#peer
    if (this.isGone || this.abortReason !== undefined) {
      throw new ClosedError('Cannot tell the peer credentials: the connection was closed')
    }
    throw new NotSupportedError(
      "Cannot tell the peer credentials: only the backend 'native' knows them, which needs Linux and the package koffi"
    )
  }

  get #tls(): TLSSocket | undefined {
    return this.#flow.encrypted ? (this.#flow.socket as TLSSocket) : undefined
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
   * Go on encrypted: STARTTLS. What was written before leaves in plain text first; what is read or written meanwhile
   * waits for the handshake. `rfile` and `wfile` stay what they are.
   *
   * Bytes that the client has sent already must be the beginning of its handshake. Anything else would be plain text
   * that somebody put in front of the encrypted (CVE-2011-0411): the request is aborted.
   *
   * @param options - as of {@link TLSServer}; one object for all requests: its context is made once, at the first. New
   *   certificates come by a new object
   * @throws {@link AbortedError} where the handshake fails, with the cause `handshake`, and the request is aborted
   * @throws `TypeError` for wrong options, and in a MemoryServer, whose connections are no sockets
   * @throws {@link BusyError} while a read waits, or where the connection is encrypted, or about to be
   * @throws {@link ClosedError} after the close, and after `wfile.end()`
   *
   * @example
   * const options = certificates()
   * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }, async (request) => {
   *   const line = await request.rfile.readLine({ chomp: true })
   *   assert.equal(line?.toString(), 'STARTTLS')
   *   request.wfile.write('go ahead\r\n')
   *   await request.startTLS(options)
   *   await request.wfile.write('nobody else reads this')
   * }).listen()
   * const serving = server.serveForever()
   * assert.equal(await exchangeStartTLS(server.address, 'STARTTLS\r\n'), 'nobody else reads this')
   * await server.close()
   * await serving
   */
  startTLS(options: TLSOptions): Promise<void> {
    try {
      this.#checkPlain()
      // What stands for the socket afterwards tells no descriptor.
      if (this.#flow.fd !== undefined) void this.peerCredentials
      this.#upgrade = new Upgrade(this.#flow, engineOf(options), this)
      return this.#upgrade.run()
    } catch (error) {
      return rejection(error)
    }
  }

  /**
   * Take the socket out: untouched, paused, and no longer the server's to close.
   *
   * @returns the socket, a `TLSSocket` where the connection is encrypted, with `allowHalfOpen`; call its `resume()` after your listeners are on
   * @throws {@link BusyError} after anything was read or written, {@link ClosedError} after the close
   */
  detach(): Socket {
    if (this.isGone || this.isClosing) throw new ClosedError('Cannot detach the socket: the request was closed')
    if (this.abortReason !== undefined) throw this.abortReason
    if (!this.#flow.untouched || this.#upgrade !== undefined || this.#preface !== undefined) {
      throw new BusyError(
        'Cannot detach the socket: the request was read or written already; toNodeStream() still works'
      )
    }
    const socket = this.#flow.release(new ClosedError('Cannot use the request: its socket was detached'))
    this.leave()
    return socket
  }

  /**
   * Read what stands before the first byte. What follows can be read, passed or detached as if nothing had been.
   *
   * @param parser - knows what it is
   * @param ended - called once, and perhaps at once
   *
   * @internal
   */
  readPreface(parser: PrefaceParser, ended: PrefaceEnded): void {
    const trouble = this.#cannotBegin()
    if (trouble !== undefined) {
      ended(trouble)
      return
    }
    this.#preface = this.#flow.preface(parser, (how) => {
      this.#preface = undefined
      ended(how)
    })
    this.#preface.begin()
  }

  /**
   * How it came by a proxy, where it did.
   *
   * @internal
   */
  get proxied(): ReadHeader | undefined {
    return this.#proxied
  }

  /**
   * It came by a proxy, or not.
   *
   * @param read - what that has said; a client that it names is the one whose request this is
   *
   * @internal
   */
  cameBy(read: ReadHeader | undefined): void {
    this.#proxied = read
    const source = read?.header.source
    if (source !== undefined) (this as { clientAddress: Address | undefined }).clientAddress = source
  }

  /**
   * Hand the connection over to another process or thread. The request is open until it is closed or aborted, but its
   * rfile and wfile are not to be used any more.
   *
   * @param passes - what can be passed
   * @returns nothing where the connection can't be passed: rfile and wfile are still those of its bytes
   * @throws {@link BusyError} while a read waits, or a handshake is under way; {@link ClosedError} after the close
   *
   * @internal
   */
  async handOver(passes: Passing): Promise<Parcel | undefined> {
    this.#checkPassable()
    const flushing = this.#flow.flush()
    if (flushing !== undefined) {
      await flushing
      this.#checkPassable()
    }
    const parcel = this.#flow.pack(passes, new ClosedError('Cannot use the request: it was handed over to a worker'))
    this.#handedOver = parcel !== undefined
    return parcel
  }

  /**
   * Whether a read waits for the client, and with it the work on the request.
   *
   * @internal
   */
  get waitsForInput(): boolean {
    return this.#flow.reading && this.readsAhead?.() !== true
  }

  /**
   * For how many milliseconds one may.
   *
   * @internal
   */
  get idleTimeout(): number {
    return this.#flow.idleTimeout
  }

  /**
   * Take the socket out for what will stand for it here, under the same address of those that are counted.
   *
   * @internal
   */
  exchange(): { readonly socket: Socket; readonly counted: Counted } {
    const counted = this.#counted
    this.#occupancy?.enter()
    this.#counted = undefined
    try {
      return { socket: this.detach(), counted }
    } catch (error) {
      this.#counted = counted
      this.#occupancy?.leave(undefined)
      throw error
    }
  }

  /**
   * Count it among those of its address, which has come to be known.
   *
   * @returns false where that has as many as it may
   *
   * @internal
   */
  countAddress(): boolean {
    if (this.isGone) return true
    const counted = this.#occupancy?.count(this.clientAddress)
    if (counted === false) return false
    this.#counted = counted
    return true
  }

  /**
   * Bytes that a worker has moved for it.
   *
   * @internal
   */
  movedElsewhere(bytesIn: number, bytesOut: number): void {
    this.#flow.movedElsewhere(bytesIn, bytesOut)
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
    if (this.#upgrade !== undefined) this.upgradeFailed(error)
    else
      this.abortFor('peer-gone', `the peer is gone (${(error as NodeJS.ErrnoException).code ?? error.message})`, error)
  }

  /** @internal */
  timedOut(timeout: number): void {
    this.abortFor('timeout', `a read or write waited ${timeout} ms for the peer`)
  }

  /** @internal */
  outputLost(error: Error): void {
    this.abort(error)
  }

  /** @internal */
  socketClosed(): void {
    this.#preface?.cut(new ClosedError('the connection has closed'))
    this.leave()
  }

  /** @internal */
  upgradeFailed(error: Error): void {
    this.abortFor('handshake', `its TLS handshake failed (${error.message})`, error)
  }

  /** @internal */
  upgraded(): void {
    this.#upgrade = undefined
  }

  #cannotBegin(): Error | undefined {
    if (this.abortReason !== undefined) return this.abortReason
    if (this.isGone || this.isClosing) return new ClosedError('the request was closed')
    if (this.#flow.untouched && this.#upgrade === undefined && this.#preface === undefined) return undefined
    return new BusyError('the request was read or written already')
  }

  #checkPassable(): void {
    if (this.abortReason !== undefined) throw this.abortReason
    if (this.isGone || this.isClosing) throw new ClosedError('Cannot hand the request over: it was closed')
    if (this.#handedOver) throw new BusyError('Cannot hand the request over: it was handed over already')
    if (this.#upgrade !== undefined) throw new BusyError('Cannot hand the request over: a TLS handshake is under way')
    if (this.#preface !== undefined) throw new BusyError('Cannot hand the request over: its PROXY header is awaited')
    if (this.#flow.reading) throw new BusyError('Cannot hand the request over: a read is waiting')
  }

  #checkPlain(): void {
    if (this.abortReason !== undefined) throw this.abortReason
    if (this.isGone || this.isClosing) throw new ClosedError('Cannot start TLS: the request was closed')
    if (!this.#flow.isReal)
      throw new TypeError('Cannot start TLS: only sockets can be encrypted, not those of a MemoryServer')
    if (this.encrypted) throw new BusyError('Cannot start TLS: the connection is encrypted already')
    if (this.#upgrade !== undefined) throw new BusyError('Cannot start TLS: its handshake is under way already')
    if (this.#preface !== undefined) throw new BusyError('Cannot start TLS: its PROXY header is awaited')
    if (this.#flow.reader.parked) throw new BusyError('Cannot start TLS: a read is waiting')
    if (this.#flow.writer.ended) throw new ClosedError('Cannot start TLS: the output was ended')
  }

  /** Send what is left and release what the request holds. */
  protected override finish(): Promise<void> {
    if (this.#handedOver) {
      this.leave()
      return settled
    }
    if (this.#upgrade !== undefined) this.upgradeFailed(new Error('the request was closed in the middle of it'))
    if (this.#preface !== undefined) this.abortFor('refused', 'it was closed while its PROXY header was awaited')
    return this.#flow.shut()
  }

  /** Let go at once. */
  protected override cut(error: AbortedError): void {
    if (this.#handedOver) {
      // A moment later: then it is known to be aborted.
      queueMicrotask(() => this.leave())
      return
    }
    this.#upgrade?.cut(error)
    this.#preface?.cut(error)
    if (error.cause === 'peer-gone') this.#flow.fail(error)
    else this.#flow.destroy(error)
  }

  /** It has gone: there is room for another. */
  protected override leave(outcome?: Settlement): void {
    if (this.isGone) return
    super.leave(outcome)
    this.#occupancy?.leave(this.#counted)
  }

  /** Call back when no iteration of the source is under way. */
  protected override whenReadEnds(callback: () => void): void {
    this.#flow.reader.whenIdle(callback)
  }
}
