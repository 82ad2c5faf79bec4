import { NodeStreamListener } from '../accept/stream/node-stream-listener.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import { UnixStreamBinding } from '../accept/stream/unix-stream-binding.ts'
import type { UnixAddress } from '../address.ts'
import { known } from '../arguments.ts'
import type { Handler } from '../handler/run.ts'
import type { Listener } from '../transport.ts'
import { ListenerServer } from './listener-server.ts'
import {
  backlogOption,
  type PathOptions,
  pathNames,
  pathOptions,
  pendingOption,
  type StreamServerOptions
} from './options.ts'

/** Options of {@link UnixStreamServer}. */
export interface UnixStreamServerOptions extends PathOptions, StreamServerOptions {}

/**
 * A Unix stream server: an async iterable of accepted connections.
 *
 * Resources: a listening socket and its path.
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
export class UnixStreamServer extends ListenerServer<StreamRequest, UnixAddress> {
  readonly #make: () => Listener<StreamRequest>

  /**
   * @param options - where to listen, and how
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: UnixStreamServerOptions, handler?: Handler<StreamRequest>) {
    known('UnixStreamServer', options, [...pathNames, 'backlog', 'maxPending'])
    super(options, handler)
    const listener = {
      binding: new UnixStreamBinding(pathOptions(options), backlogOption(options)),
      maxPending: pendingOption(options),
      noDelay: false,
      keepAlive: undefined
    }
    this.#make = () => new NodeStreamListener(listener, this, this.counters)
  }

  /** Make the listener. */
  protected override createListener(): Listener<StreamRequest> {
    return this.#make()
  }
}
