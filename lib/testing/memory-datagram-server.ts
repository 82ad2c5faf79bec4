import type { DatagramRequest } from '../accept/datagram/datagram-request.ts'
import type { Address } from '../address.ts'
import { known } from '../arguments.ts'
import { toBuffer } from '../bytes/to-buffer.ts'
import type { Handler } from '../handler/run.ts'
import { datagramRules, type LimitRules } from '../server/limit-rules.ts'
import { ListenerServer } from '../server/listener-server.ts'
import type { Listener } from '../transport.ts'
import type { Writable } from '../wfile.ts'
import { type MemoryDatagramLimits, MemoryDatagramListener } from './memory-datagram-listener.ts'
import {
  addressOption,
  clientAddressOption,
  type MemoryAddressOptions,
  type MemoryClientOptions
} from './memory-options.ts'

/** Options of {@link MemoryDatagramServer}. */
export interface MemoryDatagramServerOptions extends MemoryAddressOptions, Partial<MemoryDatagramLimits> {}

const { maxQueuedReplies: _, sendTimeout: __, ...rules } = datagramRules

/**
 * A server of datagrams from within the process, for tests of handlers. Its requests are those of a `UDPServer`.
 *
 * Resources: datagrams that nobody takes wait up to `maxPending`; past it they are dropped, counted and published.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction.
 * Stopping: `close()`, or leaving a loop.
 *
 * @example
 * class Length extends DatagramRequestHandler {
 *   override async handle () {
 *     await this.wfile.write(`${this.packet.length} bytes`)
 *   }
 * }
 * const server = await new MemoryDatagramServer({}, Length).listen()
 * const serving = server.serveForever()
 * assert.equal(String(await server.send('four')), '4 bytes')
 * await server.close()
 * await serving
 */
export class MemoryDatagramServer extends ListenerServer<DatagramRequest, Address, MemoryDatagramLimits> {
  readonly #listener: MemoryDatagramListener

  /**
   * @param options - its address and its bounds
   * @param handler - who serves in `serveForever()` and `handleRequest()`
   */
  constructor(options: MemoryDatagramServerOptions = {}, handler?: Handler<DatagramRequest>) {
    known('MemoryDatagramServer', options, ['address', ...Object.keys(rules)])
    super(options, handler)
    const where = { address: addressOption(options), limits: this.liveLimits }
    this.#listener = new MemoryDatagramListener(where, this, this.counters)
  }

  /**
   * Send a datagram.
   *
   * @param packet - its bytes
   * @param options - who the client seems to be
   * @returns the reply, when the request has gone; `undefined` where nothing was sent back, or it was dropped
   * @throws `NotListeningError` where nobody listens
   */
  async send(packet: Writable, options: MemoryClientOptions = {}): Promise<Buffer | undefined> {
    return this.#listener.send(toBuffer(packet), clientAddressOption('send', options))
  }

  /** Those of datagrams that wait for no room. */
  protected override get limitRules(): LimitRules<MemoryDatagramLimits> {
    return rules
  }

  /** Make the listener. */
  protected override createListener(): Listener<DatagramRequest> {
    return this.#listener
  }
}
