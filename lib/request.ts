import type { Duplex, Source } from 'it-stream-types'
import type { Uint8ArrayList } from 'uint8arraylist'
import type { Address } from './address.ts'
import type { Outcome, Runner, Settlement } from './outcome.ts'
import type { RFile } from './rfile.ts'
import type { ServerStats, Stats } from './stats.ts'
import type { WFile, Writable } from './wfile.ts'

/**
 * What travels: an accepted connection, a datagram, a row, a message. Whoever has it last closes it.
 *
 * It is a duplex of it-stream-types, so `pipe(request, transform, request)` works: that reads `source`, writes `sink`
 * and, where no mode does it, closes the request when both have ended.
 *
 * Python: `request` and `client_address`.
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const answer = exchange(server.address, 'ping')
 * for await (const request of server) {
 *   await pipe(request, request)
 *   break
 * }
 * assert.equal(await answer, 'ping')
 */
export interface Request
  extends Duplex<AsyncIterable<Uint8ArrayList>, Source<Writable>, Promise<void>>,
    AsyncDisposable {
  /** The server that handed it out. */
  readonly server: RequestServer
  /** Where it comes from; `undefined` where there is no such thing (a row). */
  readonly clientAddress: Address | undefined
  /** Aborts, with an {@link AbortedError}, when the request ends before its time. */
  readonly signal: AbortSignal
  /** Why it was aborted, where it was; asking does not make the signal. */
  readonly abortReason: Error | undefined
  /** Aborts when the server begins to close: finish soon. */
  readonly stopping: AbortSignal
  /** The input. */
  readonly rfile: RFile
  /** The output. */
  readonly wfile: WFile
  /** Bytes that came in so far. */
  readonly bytesIn: number
  /** Bytes handed over to leave so far. */
  readonly bytesOut: number
  /** Whether all has been sent, and only the peer's end is awaited. */
  readonly lingering: boolean
  /** Set by a mode: its work closes the request, so the end of `sink` does not, and a closing server waits for it. */
  held: boolean
  /** Set by a pool: the child process or the thread in which the handler ran. */
  ranBy?: Runner | undefined

  /**
   * End the request: send what is left and release it. A message replies only where the outcome is `fulfilled`, which
   * is the default. Safe to call twice.
   *
   * @param outcome - how it went
   * @returns when all has left; a connection then still waits a moment for the peer's end, on its own, and a reply to a Unix
   *   datagram for room at its peer
   */
  close(outcome?: Settlement): Promise<void>

  /**
   * Cut the request off: nothing more is sent or read.
   *
   * @param reason - why; becomes the `origin` of the {@link AbortedError}, or is one
   */
  abort(reason?: unknown): void

  /**
   * Call a listener once, when the request has gone: closed, aborted or detached, its resources given back.
   *
   * @param listener - gets the request and how it went; called at once where the request has gone already
   */
  whenClosed(listener: (request: this, outcome: Settlement) => void): void
}

/** What runs for one request: setup → handle → finish, once. A mode hands it to `server.processRequest`. */
export interface Work {
  /**
   * Run the handler. A second call is a {@link BusyError}.
   *
   * @returns what the handler returned
   */
  run(): Promise<unknown>
}

/** What a request, a handler and a mode know of the server; {@link BaseServer} is one. */
export interface RequestServer {
  /** Where it listens, where that can be said. */
  readonly address: Address | undefined
  /** Aborts when the server begins to close. */
  readonly stopping: AbortSignal
  /** What it counts, as it counts. */
  readonly counters: Stats

  /** What has been counted, and what is the case now. */
  stats(): ServerStats

  /**
   * Close it. In a handler don't await this: the close waits for the handler.
   *
   * @param options - the deadline
   */
  close(options?: CloseOptions): Promise<Report>

  /**
   * Serve one request: call {@link RequestServer.finishRequest}. Python's `process_request`.
   *
   * @param request - the request
   * @param work - its work
   */
  processRequest(request: Request, work: Work): Promise<void> | void

  /**
   * Run the handler. Python's `finish_request`.
   *
   * @param request - the request
   * @param work - its work
   */
  finishRequest(request: Request, work: Work): Promise<unknown>

  /**
   * Release a request that was served or refused. Python's `shutdown_request` and `close_request`.
   *
   * @param request - the request
   * @param outcome - how it went
   */
  closeRequest(request: Request, outcome: Settlement): Promise<void> | void

  /**
   * Take note of an error that ended no loop. Python's `handle_error`.
   *
   * @param error - what was thrown
   * @param request - the request it concerns, where it concerns one
   */
  handleError(error: unknown, request?: Request): void | Promise<void>

  /**
   * A mode has served a request: it is counted, and a closing server no longer waits for it.
   *
   * @param outcome - how it went
   */
  workEnded(outcome: Outcome<Request>): void

  /**
   * Whoever set `held` of a request has done with it, and nothing is counted: a closing server no longer waits for it.
   *
   * @param request - the request, no longer held
   */
  letGo(request: Request): void

  /**
   * Call {@link RequestServer.handleError}; never throws: where the hook throws, both errors are printed.
   *
   * @param error - what was thrown
   * @param request - the request it concerns, where it concerns one
   */
  noteError(error: unknown, request?: Request): Promise<void>
}

/** How a server is closed. */
export interface CloseOptions {
  /**
   * Milliseconds that running requests have to finish; then they are cut off. 15 seconds by default; `Infinity` waits
   * for as long as it takes. Of several calls of `close()` the earliest deadline counts.
   */
  readonly deadline?: number
  /** Cuts them off when it aborts. */
  readonly signal?: AbortSignal
}

/** What became of the requests that a closing server still had. */
export interface Report {
  /** Requests that ended by themselves after the close began. */
  readonly finished: number
  /** Requests that were cut off at the deadline. */
  readonly aborted: number
  /** Requests that had come in and that nobody took. */
  readonly refused: number
  /** Those that were cut off, one by one. */
  readonly stillOpen: readonly StillOpen[]
}

/** A request that was still open when the deadline came. */
export interface StillOpen {
  /** The request, cut off. */
  readonly request: Request
  /** Where it came from. */
  readonly clientAddress: Address | undefined
  /** Milliseconds since it was handed out. */
  readonly age: number
  /** Bytes that had come in. */
  readonly bytesIn: number
  /** Bytes that had been handed over to leave. */
  readonly bytesOut: number
}
