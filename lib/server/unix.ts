import { type Backend, isNative } from '../accept/native/backend.ts'
import { behindProxy } from '../accept/proxy/proxy-listener.ts'
import { proxyOption } from '../accept/proxy/proxy-options.ts'
import { unixListener } from '../accept/stream/stream-listener.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import type { UnixAddress } from '../address.ts'
import { known } from '../arguments.ts'
import type { Handler } from '../handler/run.ts'
import type { StreamLimits } from '../limits.ts'
import type { Listener } from '../transport.ts'
import { type LimitRules, streamRules } from './limit-rules.ts'
import { ListenerServer } from './listener-server.ts'
import {
  backlogOption,
  fdOption,
  type PathOptions,
  pathNames,
  pathOptions,
  type StreamServerOptions
} from './options.ts'

/** Options of {@link UnixStreamServer}. */
export interface UnixStreamServerOptions extends PathOptions, StreamServerOptions {
  /** Who talks to the kernel: `auto` by default. */
  readonly backend?: Backend
}

/**
 * A Unix stream server: an async iterable of accepted connections.
 *
 * Resources: a listening socket and its path; connections that nobody has asked for wait as with a {@link TCPServer}.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction; {@link ListenError} from `listen()`.
 * Stopping: `close()`, or leaving a loop.
 * Python: `UnixStreamServer`.
 *
 * @example
 * const server = await new UnixStreamServer({ path: temporaryPath() }).listen()
 * const serving = pipe(server, parallel((request: Request) => pipe(request, request)), drain)
 * assert.equal(await exchange(server.address, 'echo'), 'echo')
 * await server.close()
 * await serving
 */
export class UnixStreamServer extends ListenerServer<StreamRequest, UnixAddress, StreamLimits> {
  readonly #make: () => Listener<StreamRequest>

  /**
   * @param options - where to listen, and how
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: UnixStreamServerOptions, handler?: Handler<StreamRequest>) {
    known('UnixStreamServer', options, [
      ...pathNames,
      ...Object.keys(streamRules),
      'backlog',
      'proxyProtocol',
      'backend'
    ])
    super(options, handler)
    const native = isNative(options.backend)
    const accepting = {
      backlog: backlogOption(options),
      limits: this.liveLimits,
      noDelay: false,
      keepAlive: undefined
    }
    const fd = fdOption(options, pathNames)
    const listener =
      fd === undefined
        ? { ...pathOptions(options), ...accepting }
        : { ...accepting, fd, keepsBacklog: options.backlog === undefined }
    const proxy = proxyOption(options.proxyProtocol, true)
    this.#make = () => behindProxy(unixListener(native, listener, this, this.counters), proxy, this.counters)
  }

  /** Those of connections. */
  protected override get limitRules(): LimitRules<StreamLimits> {
    return streamRules
  }

  /** Make the listener. */
  protected override createListener(): Listener<StreamRequest> {
    return this.#make()
  }
}
