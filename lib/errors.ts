/**
 * Every error that this package throws, and nothing else. Each has a `name`, a `code` that starts with `ERR_`
 * (or, for {@link ListenError}, the system's own code) and one sentence that says what could not be done.
 * Wrong arguments are plain `TypeError`s and `RangeError`s, thrown at construction.
 */

/**
 * Why a request ended before its time.
 *
 * - `peer-gone`: the peer reset the connection, or a write to it failed
 * - `timeout`: a read or a write waited longer than the handler's `timeout`
 * - `deadline`: the server was closing and its deadline came
 * - `refused`: `verifyRequest` said no, or the server closed before anybody took the request
 * - `server-error`: {@link Request.abort} was called by the program
 * - `handshake`: `startTLS()` failed, or the request was closed in the middle of it
 * - `idle`: kept for the time limit of the same name
 * - `worker-gone`: the child process or the thread that served it has died
 */
export type AbortCause =
  | 'peer-gone'
  | 'idle'
  | 'timeout'
  | 'handshake'
  | 'deadline'
  | 'refused'
  | 'server-error'
  | 'worker-gone'

/** Two uses at once of something that takes one at a time: two reads of one rfile, `detach()` after reading. */
export class BusyError extends Error {
  /** Always `'ERR_BUSY'`. */
  readonly code = 'ERR_BUSY'

  /** @param message - what could not be done, and why */
  constructor(message: string) {
    super(message)
    this.name = 'BusyError'
  }
}

/** The input ended before what was asked for had come. What had come is in `partial`. */
export class UnexpectedEOFError extends Error {
  /** Always `'ERR_UNEXPECTED_EOF'`. */
  readonly code = 'ERR_UNEXPECTED_EOF'
  /** The bytes that came before the end; they are taken from the rfile. */
  readonly partial: Buffer

  /**
   * @param message - what could not be done, and why
   * @param partial - what had come
   */
  constructor(message: string, partial: Buffer) {
    super(message)
    this.name = 'UnexpectedEOFError'
    this.partial = partial
  }
}

/**
 * A bound was reached: a line too long, too much input to collect, too much output that nobody waited for, too many that
 * wait for a permit.
 */
export class LimitExceededError extends Error {
  /** Always `'ERR_LIMIT_EXCEEDED'`. */
  readonly code = 'ERR_LIMIT_EXCEEDED'
  /** The bound: in bytes, or how many may wait. */
  readonly limit: number

  /**
   * @param message - what could not be done, and why
   * @param limit - the bound, in bytes, or how many may wait
   */
  constructor(message: string, limit: number) {
    super(message)
    this.name = 'LimitExceededError'
    this.limit = limit
  }
}

/** The thing was closed or ended before: a write after `end()`, `listen()` on a closed server. */
export class ClosedError extends Error {
  /** Always `'ERR_CLOSED'`. */
  readonly code = 'ERR_CLOSED'

  /** @param message - what could not be done, and why */
  constructor(message: string) {
    super(message)
    this.name = 'ClosedError'
  }
}

/** Something was asked that only a listening server knows: call `listen()` first. */
export class NotListeningError extends Error {
  /** Always `'ERR_NOT_LISTENING'`. */
  readonly code = 'ERR_NOT_LISTENING'

  /** @param message - what could not be done, and why */
  constructor(message: string) {
    super(message)
    this.name = 'NotListeningError'
  }
}

/** What was asked cannot be had here: this server, or this kind of connection, does not offer it. */
export class NotSupportedError extends Error {
  /** Always `'ERR_NOT_SUPPORTED'`. */
  readonly code = 'ERR_NOT_SUPPORTED'

  /** @param message - what could not be done, and what it needs */
  constructor(message: string) {
    super(message)
    this.name = 'NotSupportedError'
  }
}

/** The request ended before its time; `cause` says why. It is the `reason` of `request.signal`. */
export class AbortedError extends Error {
  /** Always `'ERR_REQUEST_ABORTED'`. */
  readonly code = 'ERR_REQUEST_ABORTED'
  /** Why, in one word. */
  override readonly cause: AbortCause
  /** The error underneath, where there is one: the socket's `ECONNRESET`, what was given to `abort()`. */
  readonly origin: unknown

  /**
   * @param message - what ended, and why
   * @param cause - why, in one word
   * @param origin - the error underneath
   */
  constructor(message: string, cause: AbortCause, origin?: unknown) {
    super(message)
    this.name = 'AbortedError'
    this.cause = cause
    this.origin = origin
  }
}

/**
 * Why a connection was refused for its PROXY header.
 *
 * - `untrusted`: it comes from somebody whose word about others does not count
 * - `malformed`: it does not begin with a header, or with a wrong one
 * - `timeout`: the header did not come in time
 * - `peer-gone`: the peer has ended or reset the connection before all of it had come
 * - `room`: too many headers were awaited, and this one for longest
 * - `closing`: the server was closing, the request was cut off, or the stage was left
 * - `busy`: the request was read already
 */
export type ProxyTrouble = 'untrusted' | 'malformed' | 'timeout' | 'peer-gone' | 'room' | 'closing' | 'busy'

/** A connection had no PROXY header that counts: see the channel `it-socketserver:proxy`. */
export class ProxyProtocolError extends Error {
  /** Always `'ERR_PROXY_PROTOCOL'`. */
  readonly code = 'ERR_PROXY_PROTOCOL'
  /** Why, in one word. */
  readonly reason: ProxyTrouble

  /**
   * @param message - what could not be done, and why
   * @param reason - why, in one word
   * @param cause - the error underneath
   */
  constructor(message: string, reason: ProxyTrouble, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ProxyProtocolError'
    this.reason = reason
  }
}

/** A server could not listen. `code` is the system's: `EADDRINUSE`, `EACCES`, `ENOTFOUND`, `ENAMETOOLONG`, … */
export class ListenError extends Error {
  /** The system's code for what went wrong. */
  readonly code: string

  /**
   * @param message - where the server could not listen, and why
   * @param code - the system's code
   * @param cause - the system's error
   */
  constructor(message: string, code: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ListenError'
    this.code = code
  }
}

/** Children or threads of a pool died again and again before they could serve; `cause` is what the last of them said. */
export class WorkerStartError extends Error {
  /** Always `'ERR_WORKER_START'`. */
  readonly code = 'ERR_WORKER_START'

  /**
   * @param message - what could not be started, and why
   * @param cause - the worker's own error, where it has told it
   */
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'WorkerStartError'
  }
}
