import { StreamRequest } from '../accept/stream/stream-request.ts'
import type { StreamSettings } from '../accept/stream/stream-settings.ts'
import type { Request, RequestServer } from '../request.ts'
import { BaseRequestHandler } from './base.ts'

/**
 * Serves a connection. A handler that uses only `rfile` and `wfile` serves a datagram unchanged; the fields then have
 * no effect.
 *
 * Python: `StreamRequestHandler`; `disable_nagle_algorithm` is `noDelay`, `rbufsize` and `wbufsize` are the marks.
 *
 * @example
 * class Upper extends StreamRequestHandler {
 *   override timeout = 30_000
 *   override async handle () {
 *     for await (const line of this.rfile.lines()) await this.wfile.write(line.toString().toUpperCase())
 *   }
 * }
 * assert.equal(await ask(Upper, 'a\nb\n'), 'A\nB\n')
 */
export class StreamRequestHandler<S extends RequestServer = RequestServer>
  extends BaseRequestHandler<Request, S>
  implements StreamSettings
{
  /** Milliseconds that a read may wait for a byte, or a write for the peer; then the request is aborted. Off by default. */
  timeout: number | undefined
  /** Send small writes at once (TCP_NODELAY). As the server's option says, by default. */
  noDelay: boolean | undefined
  /** Bytes held before the peer has to wait: 64 KiB by default. */
  readHighWaterMark: number | undefined
  /** Bytes written before `write()` waits: 64 KiB by default. */
  writeHighWaterMark: number | undefined
  /** Bytes written, and not waited for, before the request is aborted: 16 MiB by default. */
  maxWriteQueue: number | undefined

  /** The connection, whose socket `detach()` gives; a `TypeError` where the request is not one. */
  get connection(): StreamRequest {
    if (this.request instanceof StreamRequest) return this.request
    throw new TypeError('Cannot get the connection: this request is not one; use rfile and wfile')
  }

  /** @internal */
  override configure(): void {
    if (!(this.request instanceof StreamRequest)) return
    const { timeout, noDelay, readHighWaterMark, writeHighWaterMark, maxWriteQueue } = this
    if ((timeout ?? noDelay ?? readHighWaterMark ?? writeHighWaterMark ?? maxWriteQueue) === undefined) return
    this.request.configure({ timeout, noDelay, readHighWaterMark, writeHighWaterMark, maxWriteQueue })
  }
}
