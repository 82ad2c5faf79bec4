import type { Address } from '../address.ts'
import { requestError } from '../events.ts'
import { reportError } from '../handler/report.ts'
import { arePlain } from '../handler/run.ts'
import type { Settlement } from '../outcome.ts'
import type { Request, Work } from '../request.ts'
import { type Stats, zeroStats } from '../stats.ts'

/**
 * What a server of your own may override: eight verbs of Python's `BaseServer` and a few more, one meaning each. All are
 * called by {@link BaseServer}; none needs `super` unless it says so.
 *
 * @example
 * class Guarded extends TCPServer {
 *   override verifyRequest (request: StreamRequest) {
 *     return formatAddress(request.clientAddress).startsWith('127.')
 *   }
 * }
 * const server = await new Guarded({ host: '127.0.0.1', port: 0 }, (request) => pipe(request, request)).listen()
 * const serving = server.serveForever()
 * assert.equal(await exchange(server.address, 'ping'), 'ping')
 * await server.close()
 * await serving
 */
export abstract class ServerHooks<R extends Request = Request> {
  /** What the server counts, as it counts: read {@link RequestHost.stats}. */
  readonly counters: Stats = zeroStats()

  /** Where it listens; `undefined` where that cannot be said. Python: `server_address`. */
  get address(): Address | undefined {
    return undefined
  }

  /** The descriptor of the listening socket; `undefined` where there is none to be had. */
  fileno(): number | undefined {
    return undefined
  }

  /** Bind. Python: `server_bind`. */
  serverBind(): void | Promise<void> {}

  /** Begin to take requests in. Python: `server_activate`. */
  serverActivate(): void | Promise<void> {}

  /**
   * The next request; never called while it is still being answered.
   *
   * @param signal - aborts when nobody waits for the answer any more
   * @returns the request, or `undefined` for the end
   */
  getRequest(signal: AbortSignal): R | undefined | Promise<R | undefined> {
    void signal
    return undefined
  }

  /**
   * Whether a request is let in, before anybody sees it. Where this says no, or throws, the request is closed.
   * A loop waits for the answer before it takes the next request: don't wait for the peer here.
   *
   * @param request - the request
   */
  verifyRequest(request: R): boolean | Promise<boolean> {
    void request
    return true
  }

  /**
   * Serve one request: every mode calls this for each. Override it to do something around the work.
   *
   * @param request - the request
   * @param work - its work: setup → handle → finish
   */
  processRequest(request: R, work: Work): Promise<void> | void {
    return this.finishRequest(request, work) as Promise<void>
  }

  /**
   * Run the handler.
   *
   * @param request - the request
   * @param work - its work
   */
  finishRequest(request: R, work: Work): Promise<unknown> {
    void request
    return work.run()
  }

  /**
   * Release a request that was served or refused.
   *
   * @param request - the request
   * @param outcome - how it went
   */
  closeRequest(request: R, outcome: Settlement): Promise<void> | void {
    return request.close(outcome)
  }

  /**
   * Take note of an error that ended no loop; prints it to stderr. The request is still open: an apology can be written.
   *
   * @param error - what was thrown
   * @param request - the request it concerns, where it concerns one
   */
  handleError(error: unknown, request?: R): void | Promise<void> {
    reportError(error, request)
  }

  /**
   * Publish an error, and call `handleError`; never throws: where the hook throws, both errors are printed.
   *
   * @param error - what was thrown
   * @param request - the request it concerns, where it concerns one
   */
  async noteError(error: unknown, request?: R): Promise<void> {
    try {
      if (requestError.hasSubscribers) requestError.publish({ server: this, error, request })
      await this.handleError(error, request)
    } catch (thrown) {
      reportError(error, request)
      reportError(thrown, request)
    }
  }

  /** Called by `handleRequest` when its timeout has passed without a request. */
  handleTimeout(): void | Promise<void> {}

  /** Hold the process while listening: the default. */
  ref(): this {
    return this
  }

  /** Don't hold the process. */
  unref(): this {
    return this
  }

  /** Count a request that `getRequest` has handed over, and its bytes. */
  protected requestArrived(request: R): void {
    this.counters.accepted++
    this.counters.bytesIn += request.bytesIn
    request.whenClosed(({ bytesOut }) => {
      this.counters.bytesOut += bytesOut
    })
  }

  /** Requests that were taken in and that `getRequest` has not handed over. */
  protected get waiting(): number {
    return 0
  }

  /** Take nobody new in. What waits is still handed over by `getRequest`, then `undefined`. */
  protected serverClose(): void | Promise<void> {}

  /**
   * Take nobody new in until `serverResume`. `getRequest` is not called meanwhile, but for what waits; a server with a
   * listener leaves that to its listener.
   */
  protected serverSuspend(): void {}

  /** Take in again. */
  protected serverResume(): void {}

  /** Refuse what waits. */
  protected serverDiscard(): void {}

  /** Give everything back: the last request has gone. */
  protected serverRelease(): void | Promise<void> {}
}

arePlain(ServerHooks.prototype)
