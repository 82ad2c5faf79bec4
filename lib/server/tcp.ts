import { NodeStreamListener, type NodeStreamOptions } from '../accept/stream/node-stream-listener.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import { TCPBinding } from '../accept/stream/tcp-binding.ts'
import { formatHost, type InternetAddress } from '../address.ts'
import { flag, known } from '../arguments.ts'
import type { Handler } from '../handler/run.ts'
import type { Listener } from '../transport.ts'
import { ListenerServer } from './listener-server.ts'
import {
  backlogOption,
  type HostOptions,
  hostOptions,
  keepAliveOption,
  pendingOption,
  type StreamServerOptions
} from './options.ts'

/** Options of {@link TCPServer}. */
export interface TCPServerOptions extends HostOptions, StreamServerOptions {
  /** Send small writes at once (TCP_NODELAY): true by default. */
  readonly noDelay?: boolean
  /** Probe silent peers (SO_KEEPALIVE), after so many milliseconds where it is a number: false by default. */
  readonly keepAlive?: boolean | number
}

/** The names of {@link TCPServerOptions}. */
export const tcpOptionNames = ['host', 'port', 'ipv6Only', 'reusePort', 'backlog', 'maxPending', 'noDelay', 'keepAlive']

/** Options of TCP, checked: how its listener is made. */
export function tcpListenerOptions(options: TCPServerOptions): NodeStreamOptions {
  const { host, port, ipv6Only, reusePort } = hostOptions(options)
  const backlog = backlogOption(options)
  const target = { host, port, ipv6Only, backlog, ...(reusePort && { reusePort }) }
  return {
    binding: new TCPBinding(target, formatHost(host, port)),
    maxPending: pendingOption(options),
    noDelay: flag('noDelay', options.noDelay, true),
    keepAlive: keepAliveOption(options.keepAlive)
  }
}

/**
 * A TCP server: an async iterable of accepted connections.
 *
 * Resources: a listening socket; connections that nobody has taken wait, unread, up to `maxPending`.
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
export class TCPServer extends ListenerServer<StreamRequest, InternetAddress> {
  readonly #make: () => Listener<StreamRequest>

  /**
   * @param options - where to listen, and how
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: TCPServerOptions = {}, handler?: Handler<StreamRequest>) {
    known('TCPServer', options, tcpOptionNames)
    super(options, handler)
    const listener = tcpListenerOptions(options)
    this.#make = () => new NodeStreamListener(listener, this, this.counters)
  }

  /** Make the listener. */
  protected override createListener(): Listener<StreamRequest> {
    return this.#make()
  }
}
