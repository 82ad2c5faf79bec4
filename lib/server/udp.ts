import type { MulticastGroup } from '../accept/datagram/datagram-options.ts'
import type { DatagramRequest } from '../accept/datagram/datagram-request.ts'
import { udpListener } from '../accept/datagram/udp-listener.ts'
import { type Backend, isNative } from '../accept/native/backend.ts'
import type { InternetAddress } from '../address.ts'
import { flag, integer, known, text } from '../arguments.ts'
import type { Handler } from '../handler/run.ts'
import type { DatagramLimits } from '../limits.ts'
import type { Listener } from '../transport.ts'
import { datagramRules, type LimitRules } from './limit-rules.ts'
import { ListenerServer } from './listener-server.ts'
import {
  type DatagramServerOptions,
  datagramNames,
  datagramOptions,
  fdOption,
  type HostOptions,
  hostNames,
  hostOptions,
  multicastOption,
  optional
} from './options.ts'

/** Options of {@link UDPServer}. */
export interface UDPServerOptions extends HostOptions, DatagramServerOptions {
  /** Allow replies to a broadcast address (SO_BROADCAST): false by default. */
  readonly broadcast?: boolean
  /** Multicast groups to receive from: none by default. */
  readonly multicast?: readonly MulticastGroup[]
  /** Routers that what is sent to a group may pass, 1 to 255: the system's default, 1, keeps it on the local network. */
  readonly multicastTTL?: number
  /** Whether what is sent to a group is received on this machine too: the system's default, true. */
  readonly multicastLoopback?: boolean
  /** The interface by which what is sent to a group leaves, by its name or an address of it: the system's choice. */
  readonly multicastInterface?: string
  /** Who talks to the kernel: `auto` by default. */
  readonly backend?: Backend
}

const names = [
  ...[...hostNames, 'backend', ...datagramNames],
  ...['broadcast', 'multicast', 'multicastTTL', 'multicastLoopback', 'multicastInterface']
]

/**
 * A UDP server: an async iterable of received datagrams.
 *
 * Resources: a socket. Datagrams that nobody has asked for wait in the kernel, which drops what does not fit there; with
 * the `node` backend they wait in memory, up to `maxPending`, and past it they are dropped and published.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction; {@link ListenError} from `listen()`.
 * Stopping: `close()`, or leaving a loop; the socket stays for the replies of those who are being served.
 * Python: `UDPServer`.
 *
 * @example
 * const server = await new UDPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const serving = pipe(server, parallel((request: Request) => pipe(request, request)), drain)
 * assert.equal(await exchangeDatagram(server.address, 'echo'), 'echo')
 * await server.close()
 * await serving
 */
export class UDPServer extends ListenerServer<DatagramRequest, InternetAddress, DatagramLimits> {
  readonly #make: () => Listener<DatagramRequest>

  /**
   * @param options - where to listen, and how
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: UDPServerOptions = {}, handler?: Handler<DatagramRequest>) {
    known('UDPServer', options, names)
    super(options, handler)
    const { multicastTTL, multicastLoopback, multicastInterface } = options
    const native = isNative(options.backend)
    const fd = fdOption(options, hostNames)
    const where = { ...hostOptions(options, native), fd }
    const listener = {
      ...where,
      ...datagramOptions(options, this.liveLimits),
      broadcast: flag('broadcast', options.broadcast, false),
      multicast: multicastOption(options.multicast, where),
      multicastTTL: optional(multicastTTL, (ttl) => integer('multicastTTL', ttl, 1, { min: 1, max: 255 })),
      multicastLoopback: optional(multicastLoopback, (loop) => flag('multicastLoopback', loop, true)),
      multicastInterface: optional(multicastInterface, (by) => text('multicastInterface', by, undefined))
    }
    this.#make = () => udpListener(native, listener, this, this.counters)
  }

  /** Those of datagrams. */
  protected override get limitRules(): LimitRules<DatagramLimits> {
    return datagramRules
  }

  /** Make the listener. */
  protected override createListener(): Listener<DatagramRequest> {
    return this.#make()
  }
}
