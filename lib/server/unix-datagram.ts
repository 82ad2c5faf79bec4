import type { DatagramRequest } from '../accept/datagram/datagram-request.ts'
import { InheritedDatagramBinding } from '../accept/datagram/inherited-datagram-binding.ts'
import { NativeDatagramListener } from '../accept/datagram/native-datagram-listener.ts'
import { UnixDatagramBinding } from '../accept/datagram/unix-datagram-binding.ts'
import type { UnixAddress } from '../address.ts'
import { known } from '../arguments.ts'
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
  type PathOptions,
  pathNames,
  pathOptions
} from './options.ts'

/** Options of {@link UnixDatagramServer}. */
export interface UnixDatagramServerOptions extends PathOptions, DatagramServerOptions {}

const names = [...pathNames, ...datagramNames]

/**
 * A Unix datagram server: an async iterable of received datagrams. It speaks to the kernel by the optional package koffi,
 * on Linux and on the main thread: Node has no such sockets.
 *
 * Resources: a socket and its path. Datagrams that nobody has asked for wait in the kernel, and past its bound (10 on most
 * machines) their senders wait. A reply to a peer whose queue is full waits here, up to `sendTimeout`, and no handler waits
 * for it; at most a quarter of `maxQueuedReplies` wait for one peer.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction; {@link ListenError} from `listen()`, with the
 * code `ERR_NO_NATIVE_SOCKETS` where koffi is missing. A reply to a sender that has no address, or has gone, is published
 * (`undelivered`) and its outcome is `aborted`; one that fails after it has waited is published only.
 * Stopping: `close()`, or leaving a loop; the path is removed, senders get an error from then on, and the socket stays for
 * the replies of those who are being served, and for those that wait; what has not left at the deadline is published, and
 * its request is in the report.
 * Python: `UnixDatagramServer`.
 *
 * @example
 * const path = temporaryPath()
 * const server = await new UnixDatagramServer({ path }).listen()
 * const serving = pipe(server, parallel((request: Request) => pipe(request, request)), drain)
 * await server.close()
 * await serving
 */
export class UnixDatagramServer extends ListenerServer<DatagramRequest, UnixAddress, DatagramLimits> {
  readonly #make: () => Listener<DatagramRequest>

  /**
   * @param options - where to listen, and how
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: UnixDatagramServerOptions, handler?: Handler<DatagramRequest>) {
    known('UnixDatagramServer', options, names)
    super(options, handler)
    const receiving = datagramOptions(options, this.liveLimits)
    const fd = fdOption(options, pathNames)
    const place = fd === undefined ? { ...pathOptions(options), ...receiving } : { fd, ...receiving }
    this.#make = () => {
      const binding = 'fd' in place ? new InheritedDatagramBinding(place) : new UnixDatagramBinding(place)
      return new NativeDatagramListener(binding, receiving, this, this.counters)
    }
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
