import { type Backend, isNative } from '../accept/native/backend.ts'
import { behindProxy } from '../accept/proxy/proxy-listener.ts'
import { proxyOption } from '../accept/proxy/proxy-options.ts'
import { tcpListener } from '../accept/stream/stream-listener.ts'
import type { InheritedListenerOptions, TCPListenerOptions } from '../accept/stream/stream-options.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import type { InternetAddress } from '../address.ts'
import { flag, known } from '../arguments.ts'
import type { Handler } from '../handler/run.ts'
import type { StreamLimits } from '../limits.ts'
import type { Listener } from '../transport.ts'
import { type LimitRules, streamRules } from './limit-rules.ts'
import { ListenerServer } from './listener-server.ts'
import {
  backlogOption,
  fdOption,
  type HostOptions,
  hostNames,
  hostOptions,
  keepAliveOption,
  type StreamServerOptions
} from './options.ts'

/** Options of {@link TCPServer}. */
export interface TCPServerOptions extends HostOptions, StreamServerOptions {
  /**
   * Bind also where connections of a server before linger on the port (SO_REUSEADDR): true by default. `false` needs the
   * `native` backend: Node always sets it. Python: `allow_reuse_address`.
   */
  readonly reuseAddress?: boolean
  /** Send small writes at once (TCP_NODELAY): true by default. */
  readonly noDelay?: boolean
  /** Probe silent peers (SO_KEEPALIVE), after so many milliseconds where it is a number: false by default. */
  readonly keepAlive?: boolean | number
  /** Who talks to the kernel: `auto` by default. */
  readonly backend?: Backend
}

/** The names of {@link TCPServerOptions}. */
export const tcpOptionNames = [
  ...[...hostNames, 'reuseAddress'],
  ...Object.keys(streamRules),
  ...['backlog', 'noDelay', 'keepAlive', 'proxyProtocol', 'backend']
]

/** Options of TCP, checked. */
export function tcpOptions(
  options: TCPServerOptions,
  native: boolean,
  limits: Readonly<StreamLimits>
): TCPListenerOptions | InheritedListenerOptions {
  const accepting = {
    backlog: backlogOption(options),
    limits,
    noDelay: flag('noDelay', options.noDelay, true),
    keepAlive: keepAliveOption(options.keepAlive)
  }
  const fd = fdOption(options, [...hostNames, 'reuseAddress'])
  if (fd !== undefined) return { ...accepting, fd, keepsBacklog: options.backlog === undefined }
  const reuseAddress = flag('reuseAddress', options.reuseAddress, true)
  if (!reuseAddress && !native) {
    throw new TypeError(
      "Option reuseAddress can't be false here: it needs the backend 'native', as Node always sets it"
    )
  }
  return { ...hostOptions(options, native), ...accepting, reuseAddress }
}

/**
 * A TCP server: an async iterable of accepted connections.
 *
 * Resources: a listening socket. Connections that nobody has asked for wait in the kernel's backlog; with the `node`
 * backend they are accepted, and wait unread, up to `maxPending`; past it they are closed and published.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction; {@link ListenError} from `listen()`.
 * Stopping: `close()`, or leaving a loop.
 * Python: `TCPServer`.
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const serving = pipe(server, parallel((request: Request) => pipe(request, request)), drain)
 * assert.equal(await exchange(server.address, 'echo'), 'echo')
 * await server.close()
 * await serving
 */
export class TCPServer extends ListenerServer<StreamRequest, InternetAddress, StreamLimits> {
  readonly #make: () => Listener<StreamRequest>

  /**
   * @param options - where to listen, and how
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: TCPServerOptions = {}, handler?: Handler<StreamRequest>) {
    known('TCPServer', options, tcpOptionNames)
    super(options, handler)
    const native = isNative(options.backend)
    const proxy = proxyOption(options.proxyProtocol, false)
    const listener = { ...tcpOptions(options, native, this.liveLimits), proxied: proxy !== undefined }
    this.#make = () => behindProxy(tcpListener(native, listener, this, this.counters), proxy, this.counters)
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
