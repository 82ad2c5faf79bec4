import type { Duplex } from 'node:stream'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import type { Address } from '../address.ts'
import { known } from '../arguments.ts'
import type { Handler } from '../handler/run.ts'
import type { StreamLimits } from '../limits.ts'
import { type LimitRules, streamRules } from '../server/limit-rules.ts'
import { ListenerServer } from '../server/listener-server.ts'
import type { Listener } from '../transport.ts'
import {
  addressOption,
  clientAddressOption,
  type MemoryClientOptions,
  type MemoryServerOptions
} from './memory-options.ts'
import { MemoryStreamListener } from './memory-stream-listener.ts'

/**
 * A server of connections from within the process, for tests of handlers: no sockets, no ports. Its requests are those of
 * a `TCPServer`, with the same reads, writes, ends and resets.
 *
 * Resources: 64 KiB in each direction of a connection; then the writer waits.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction. Past `maxPending` a connection is closed,
 * counted and published.
 * Stopping: `close()`, or leaving a loop.
 *
 * @example
 * import { text } from 'node:stream/consumers'
 * async function greet (request: Request) {
 *   await request.wfile.write(`hello ${await request.rfile.readLine({ chomp: true })}`)
 * }
 * const server = await new MemoryServer({}, greet).listen()
 * const serving = server.serveForever()
 * const client = server.connect()
 * client.end('Ada\n')
 * assert.equal(await text(client), 'hello Ada')
 * await server.close()
 * await serving
 */
export class MemoryServer extends ListenerServer<StreamRequest, Address, StreamLimits> {
  readonly #listener: MemoryStreamListener

  /**
   * @param options - its address and its bound
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: MemoryServerOptions = {}, handler?: Handler<StreamRequest>) {
    known('MemoryServer', options, ['address', ...Object.keys(streamRules)])
    super(options, handler)
    const where = { address: addressOption(options), limits: this.liveLimits }
    this.#listener = new MemoryStreamListener(where, this, this.counters)
  }

  /**
   * Connect a client. Its end of the connection is half-open, as that of `net.connect` with `allowHalfOpen`; destroying it
   * with an error is a reset. Where nobody listens it fails with `ECONNREFUSED`.
   *
   * @param options - who the client seems to be
   */
  connect(options: MemoryClientOptions = {}): Duplex {
    return this.#listener.connect(clientAddressOption('connect', options))
  }

  /** Those of connections. */
  protected override get limitRules(): LimitRules<StreamLimits> {
    return streamRules
  }

  /** Make the listener. */
  protected override createListener(): Listener<StreamRequest> {
    return this.#listener
  }
}
