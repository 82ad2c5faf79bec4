import { isNative } from '../accept/native/backend.ts'
import { behindProxy } from '../accept/proxy/proxy-listener.ts'
import { proxyOption } from '../accept/proxy/proxy-options.ts'
import { tcpListener } from '../accept/stream/stream-listener.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import { TLSEngine } from '../accept/tls/tls-engine.ts'
import { TLSListener } from '../accept/tls/tls-listener.ts'
import { type SecureContextOptions, type TLSOptions, tlsOptionNames } from '../accept/tls/tls-options.ts'
import type { InternetAddress } from '../address.ts'
import { known } from '../arguments.ts'
import type { Handler } from '../handler/run.ts'
import type { TLSLimits } from '../limits.ts'
import type { Listener } from '../transport.ts'
import { type LimitRules, tlsRules } from './limit-rules.ts'
import { ListenerServer } from './listener-server.ts'
import { type TCPServerOptions, tcpOptionNames, tcpOptions } from './tcp.ts'

/** Options of {@link TLSServer}: of TCP, of `tls.createServer()`, and the bounds of the handshake. */
export interface TLSServerOptions extends TCPServerOptions, Omit<TLSOptions, keyof TLSLimits>, Partial<TLSLimits> {}

const names = [...tcpOptionNames, ...tlsOptionNames, 'maxHandshakes']

/**
 * A TLS server: an async iterable of connections whose handshake is done, so that `verifyRequest` and the handler see
 * the client's certificate, the name that it asked for and the protocol agreed on.
 *
 * Resources: a listening socket; up to `maxHandshakes` handshakes, which hold no permit of a mode; connections that
 * nobody has taken wait, up to `maxPending` before the handshake and as many after it. At `maxHandshakes`, one that has
 * lasted for a second makes room for the next to come. All of them count as `waiting`.
 * Errors: `TypeError` and `RangeError` for wrong options, certificates and keys, at construction; {@link ListenError}
 * from `listen()`. A handshake that fails is an event and is counted as refused.
 * Stopping: `close()`, or leaving a loop.
 * Python: a `TCPServer` whose `get_request` wraps the socket by `ssl`.
 *
 * @example
 * const { key, cert } = certificates()
 * const server = await new TLSServer({ host: '127.0.0.1', port: 0, key, cert }).listen()
 * const serving = pipe(server, parallel((request: Request) => pipe(request, request)), drain)
 * assert.equal(await exchangeTLS(server.address, 'secret'), 'secret')
 * await server.close()
 * await serving
 */
export class TLSServer extends ListenerServer<StreamRequest, InternetAddress, TLSLimits> {
  readonly #engine: TLSEngine
  readonly #make: () => Listener<StreamRequest>

  /**
   * @param options - where to listen, and how; `cert` and `key`, or another way to a certificate
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: TLSServerOptions, handler?: Handler<StreamRequest>) {
    known('TLSServer', options, names)
    super(options, handler)
    const native = isNative(options.backend)
    const limits = this.liveLimits
    const proxy = proxyOption(options.proxyProtocol, false)
    const accepting = { ...tcpOptions(options, native, limits), proxied: proxy !== undefined }
    this.#engine = new TLSEngine('TLSServer', options)
    this.#make = () => {
      const plain = tcpListener(native, accepting, this, this.counters)
      const { noDelay } = accepting
      const { occupancy } = plain
      const context = { server: this, stats: this.counters, limits, noDelay, occupancy }
      return new TLSListener(behindProxy(plain, proxy, this.counters), this.#engine, context)
    }
  }

  /**
   * Renew certificates while running: for the handshakes that begin from now on. What is left out stays as it was, but
   * `cert`, `key`, `pfx` and `passphrase` belong together: where one is given, the others are not kept. Sessions of
   * before are not resumed, unless `ticketKeys` says so and the clients whose certificates are accepted are the same.
   *
   * @param options - what is new; where it is wrong it throws as the constructor does, and nothing changes
   *
   * @example
   * const server = await new TLSServer({ host: '127.0.0.1', port: 0, ...certificates() }).listen()
   * server.setSecureContext(certificates())
   * await server.close()
   */
  setSecureContext(options: SecureContextOptions): void {
    this.#engine.setSecureContext(options)
  }

  /**
   * Show another certificate to clients that ask for this name by SNI, from now on, and trust others where it has a `ca`
   * or `crl` of its own; without one it trusts whom the server trusts. All else is the same for all names: OpenSSL takes
   * nothing but certificates from a context that SNI has chosen.
   *
   * A client chooses by itself which session it resumes, and its certificate is not checked again. So where clients are
   * asked for certificates, no session is resumed as soon as any name has a `ca`, `crl` or `pfx` of its own; nor where
   * an `SNICallback` chooses, or a `pskCallback` stands in.
   *
   * @param servername - the name; `*` stands for one part of it. A name that was added before gets the new options
   * @param options - the context; where it is wrong it throws as the constructor does, and nothing changes
   *
   * @example
   * const server = await new TLSServer({ host: '127.0.0.1', port: 0, ...certificates() }).listen()
   * server.addContext('*.example.org', certificates())
   * await server.close()
   */
  addContext(
    servername: string,
    options: Pick<
      SecureContextOptions,
      'ca' | 'cert' | 'crl' | 'key' | 'passphrase' | 'pfx' | 'privateKeyEngine' | 'privateKeyIdentifier'
    >
  ): void {
    this.#engine.addContext(servername, options)
  }

  /** As of {@link ListenerServer.setLimits}; the handshakes that have begun keep their time limit. */
  override setLimits(limits: Partial<TLSLimits>): void {
    super.setLimits(limits)
    this.#engine.handshakeTimeout = this.limits.handshakeTimeout
  }

  /** Those of encrypted connections. */
  protected override get limitRules(): LimitRules<TLSLimits> {
    return tlsRules
  }

  /** Make the listener. */
  protected override createListener(): Listener<StreamRequest> {
    return this.#make()
  }
}
