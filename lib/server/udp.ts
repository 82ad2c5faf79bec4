import type { DatagramRequest } from '../accept/datagram-request.ts'
import { NodeDatagramListener } from '../accept/node-datagram-listener.ts'
import type { InternetAddress } from '../address.ts'
import { count, known } from '../arguments.ts'
import type { Handler } from '../handler/run.ts'
import type { Listener } from '../transport.ts'
import { ListenerServer } from './listener-server.ts'
import { type HostOptions, hostOptions, pendingOption } from './options.ts'

/** Options of {@link UDPServer}. */
export interface UDPServerOptions extends HostOptions {
  /** A larger datagram is dropped and published: whatever the kernel delivers, by default. Python: `max_packet_size`. */
  readonly maxPacketSize?: number
}

const names = ['host', 'port', 'ipv6Only', 'reusePort', 'maxPending', 'maxPacketSize']

/**
 * A UDP server: an async iterable of received datagrams.
 *
 * Resources: a socket; datagrams that nobody has taken wait, up to `maxPending`; past it they are dropped and published.
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
export class UDPServer extends ListenerServer<DatagramRequest, InternetAddress> {
  readonly #make: () => Listener<DatagramRequest>

  /**
   * @param options - where to listen, and how
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: UDPServerOptions = {}, handler?: Handler<DatagramRequest>) {
    known('UDPServer', options, names)
    super(options, handler)
    const listener = {
      ...hostOptions(options),
      maxPending: pendingOption(options),
      maxPacketSize: count('maxPacketSize', options.maxPacketSize, Number.POSITIVE_INFINITY)
    }
    this.#make = () => new NodeDatagramListener(listener, this, this.counters)
  }

  /** Make the listener. */
  protected override createListener(): Listener<DatagramRequest> {
    return this.#make()
  }
}
