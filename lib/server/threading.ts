import type { DatagramRequest } from '../accept/datagram/datagram-request.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import { parallel } from '../flow/parallel.ts'
import { limitOption, type Semaphore } from '../flow/semaphore.ts'
import type { Handler } from '../handler/run.ts'
import type { Outcome } from '../outcome.ts'
import type { Stage } from '../stage.ts'
import { dividedOptions } from './divided-options.ts'
import { TCPServer, type TCPServerOptions } from './tcp.ts'
import { UDPServer, type UDPServerOptions } from './udp.ts'
import { UnixStreamServer, type UnixStreamServerOptions } from './unix.ts'
import { UnixDatagramServer, type UnixDatagramServerOptions } from './unix-datagram.ts'

/** What the ready-made `Threading…` servers take besides. */
export interface ThreadingOptions {
  /** Requests at a time in `serveForever()`: 40 by default; `Infinity` for no bound; a {@link Semaphore} to change or share it. */
  readonly limit?: number | Semaphore
}

/** Options of {@link ThreadingTCPServer}. */
export interface ThreadingTCPServerOptions extends TCPServerOptions, ThreadingOptions {}

/** Options of {@link ThreadingUDPServer}. */
export interface ThreadingUDPServerOptions extends UDPServerOptions, ThreadingOptions {}

/** Options of {@link ThreadingUnixStreamServer}. */
export interface ThreadingUnixStreamServerOptions extends UnixStreamServerOptions, ThreadingOptions {}

/** Options of {@link ThreadingUnixDatagramServer}. */
export interface ThreadingUnixDatagramServerOptions extends UnixDatagramServerOptions, ThreadingOptions {}

/**
 * A {@link TCPServer} whose `serveForever()` serves up to `limit` connections at a time.
 *
 * "Threading" means concurrent in one thread, with shared memory. Python's threads share their memory and, under the
 * GIL, one core: what `ThreadingMixIn` buys is that a handler that waits does not hold the others up, and that is what
 * {@link parallel} does. A handler that computes holds the others up here as it does there.
 *
 * Resources: as of a {@link TCPServer}; what is past the limit waits on the server.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction; {@link ListenError} from `listen()`.
 * Stopping: `close()`. There are no threads to join, so `daemon_threads` and `block_on_close` are `close({ deadline })`.
 * Python: `ThreadingTCPServer`.
 *
 * @example
 * const server = await new ThreadingTCPServer({ port: 0 }, (request) => pipe(request, request)).listen()
 * const serving = server.serveForever()
 * const answers = [exchange(server.address, 'a'), exchange(server.address, 'b')]
 * assert.deepEqual(await Promise.all(answers), ['a', 'b'])
 * await server.close()
 * await serving
 */
export class ThreadingTCPServer extends TCPServer {
  readonly #limit: number | Semaphore

  /**
   * @param options - where to listen, how, and how many at a time
   * @param handler - who serves
   */
  constructor(options: ThreadingTCPServerOptions = {}, handler?: Handler<StreamRequest>) {
    const { limit, rest } = divided(options)
    super(rest, handler)
    this.#limit = limit
  }

  /** The mode of `serveForever()`: {@link parallel}. */
  override stage(): Stage<StreamRequest, Outcome<StreamRequest>> {
    return this.handler === undefined ? super.stage() : parallel(this.handler, { limit: this.#limit })
  }
}

/**
 * A {@link UDPServer} whose `serveForever()` serves up to `limit` datagrams at a time, in one thread, with shared memory:
 * see {@link ThreadingTCPServer} for why that is what "Threading" means.
 *
 * Resources: as of a {@link UDPServer}; what is past the limit waits on the server.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction; {@link ListenError} from `listen()`.
 * Stopping: `close()`.
 * Python: `ThreadingUDPServer`.
 *
 * @example
 * const server = await new ThreadingUDPServer({ port: 0 }, (request) => pipe(request, request)).listen()
 * const serving = server.serveForever()
 * assert.equal(await exchangeDatagram(server.address, 'echo'), 'echo')
 * await server.close()
 * await serving
 */
export class ThreadingUDPServer extends UDPServer {
  readonly #limit: number | Semaphore

  /**
   * @param options - where to listen, how, and how many at a time
   * @param handler - who serves
   */
  constructor(options: ThreadingUDPServerOptions = {}, handler?: Handler<DatagramRequest>) {
    const { limit, rest } = divided(options)
    super(rest, handler)
    this.#limit = limit
  }

  /** The mode of `serveForever()`: {@link parallel}. */
  override stage(): Stage<DatagramRequest, Outcome<DatagramRequest>> {
    return this.handler === undefined ? super.stage() : parallel(this.handler, { limit: this.#limit })
  }
}

/**
 * A {@link UnixStreamServer} whose `serveForever()` serves up to `limit` connections at a time, in one thread, with
 * shared memory: see {@link ThreadingTCPServer} for why that is what "Threading" means.
 *
 * Resources: as of a {@link UnixStreamServer}; what is past the limit waits on the server.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction; {@link ListenError} from `listen()`.
 * Stopping: `close()`.
 * Python: `ThreadingUnixStreamServer`.
 *
 * @example
 * const echo = (request: Request) => pipe(request, request)
 * const server = await new ThreadingUnixStreamServer({ path: temporaryPath() }, echo).listen()
 * const serving = server.serveForever()
 * assert.equal(await exchange(server.address, 'echo'), 'echo')
 * await server.close()
 * await serving
 */
export class ThreadingUnixStreamServer extends UnixStreamServer {
  readonly #limit: number | Semaphore

  /**
   * @param options - where to listen, how, and how many at a time
   * @param handler - who serves
   */
  constructor(options: ThreadingUnixStreamServerOptions, handler?: Handler<StreamRequest>) {
    const { limit, rest } = divided(options)
    super(rest, handler)
    this.#limit = limit
  }

  /** The mode of `serveForever()`: {@link parallel}. */
  override stage(): Stage<StreamRequest, Outcome<StreamRequest>> {
    return this.handler === undefined ? super.stage() : parallel(this.handler, { limit: this.#limit })
  }
}

/**
 * A {@link UnixDatagramServer} whose `serveForever()` serves up to `limit` datagrams at a time, in one thread, with
 * shared memory: see {@link ThreadingTCPServer} for why that is what "Threading" means.
 *
 * Resources: as of a {@link UnixDatagramServer}; what is past the limit waits in the kernel, and its senders with it.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction; {@link ListenError} from `listen()`.
 * Stopping: `close()`.
 * Python: `ThreadingUnixDatagramServer`.
 *
 * @example
 * const echo = (request: Request) => pipe(request, request)
 * const server = await new ThreadingUnixDatagramServer({ path: temporaryPath() }, echo).listen()
 * const serving = server.serveForever()
 * await server.close()
 * await serving
 */
export class ThreadingUnixDatagramServer extends UnixDatagramServer {
  readonly #limit: number | Semaphore

  /**
   * @param options - where to listen, how, and how many at a time
   * @param handler - who serves
   */
  constructor(options: ThreadingUnixDatagramServerOptions, handler?: Handler<DatagramRequest>) {
    const { limit, rest } = divided(options)
    super(rest, handler)
    this.#limit = limit
  }

  /** The mode of `serveForever()`: {@link parallel}. */
  override stage(): Stage<DatagramRequest, Outcome<DatagramRequest>> {
    return this.handler === undefined ? super.stage() : parallel(this.handler, { limit: this.#limit })
  }
}

function divided<O extends ThreadingOptions>(options: O): { limit: number | Semaphore; rest: Omit<O, 'limit'> } {
  const [{ limit }, rest] = dividedOptions<ThreadingOptions, O>(options, ['limit'])
  return { limit: limitOption(limit, 40), rest }
}
