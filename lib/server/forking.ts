import type { DatagramRequest } from '../accept/datagram/datagram-request.ts'
import type { StreamRequest } from '../accept/stream/stream-request.ts'
import { type ForkOptions, forkOptionNames, forkPlan } from '../flow/forked.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'
import { Children } from './children.ts'
import { dividedOptions } from './divided-options.ts'
import { TCPServer, type TCPServerOptions } from './tcp.ts'
import { UDPServer, type UDPServerOptions } from './udp.ts'
import { UnixStreamServer, type UnixStreamServerOptions } from './unix.ts'
import { UnixDatagramServer, type UnixDatagramServerOptions } from './unix-datagram.ts'

/** Options of {@link ForkingTCPServer}. */
export interface ForkingTCPServerOptions extends TCPServerOptions, ForkOptions {}

/** Options of {@link ForkingUDPServer}. */
export interface ForkingUDPServerOptions extends UDPServerOptions, ForkOptions {}

/** Options of {@link ForkingUnixStreamServer}. */
export interface ForkingUnixStreamServerOptions extends UnixStreamServerOptions, ForkOptions {}

/** Options of {@link ForkingUnixDatagramServer}. */
export interface ForkingUnixDatagramServerOptions extends UnixDatagramServerOptions, ForkOptions {}

/**
 * A {@link TCPServer} whose requests are served by child processes: see {@link forked}. The handler is the default export
 * of a module.
 *
 * A child serves one request at a time and goes on to the next: what a crash ends is one request, as in Python, but what a
 * handler leaves in its module's variables, the next one finds. `requestsPerChild: 1` is Python's fork per request, which
 * leaves nothing; `spares` are then started ahead, so that no client waits for the start of Node.
 *
 * `serveForever()` and `handleRequest()` have children serve; a stage or a handler that they are given serves as it does
 * elsewhere. Handshakes are made in the child where the module exports `secureContext`.
 *
 * Resources: as of a {@link TCPServer}; up to `maxChildren` processes, started as they are needed from the first loop on,
 * for all loops. What is past them waits on the server.
 * Errors: `TypeError` and `RangeError` for wrong options, at construction; {@link ListenError} from `listen()`; the hooks,
 * `handleError` too, are called here and not in the child. Where five children in a row die before they could serve,
 * `serveForever()` throws a {@link WorkerStartError}.
 * Stopping: `close()`, which waits for the children too; one that is still there 3 seconds after its last request has
 * gone, or was cut off, is killed.
 * Python: `ForkingTCPServer`; `block_on_close` is `close({ deadline })`.
 *
 * @example
 * // pid.js: export default (request) => request.wfile.end(String(process.pid))
 * const module = new URL('./pid.js', import.meta.url)
 * const server = await new ForkingTCPServer({ port: 0, maxChildren: 2 }, module).listen()
 * const serving = server.serveForever()
 * const child = await exchange(server.address)
 * assert(server.activeChildren.has(Number(child)))
 * await server.close()
 * await serving
 */
export class ForkingTCPServer extends TCPServer {
  readonly #children: Children<StreamRequest>

  /**
   * @param options - where to listen, how, and how many children, for how long
   * @param module - the handler's module: a URL, or an absolute path
   */
  constructor(options: ForkingTCPServerOptions, module: URL | string) {
    const { children, rest } = divided<StreamRequest, ForkingTCPServerOptions>('ForkingTCPServer', options, module)
    super(rest, children.serve)
    this.#children = children
  }

  /** The children that are there, by the numbers of their processes; the spares too. Python: `active_children`. */
  get activeChildren(): ReadonlySet<number> {
    return this.#children.active
  }

  /**
   * Let go of the children that have nothing to do, but for the spares. Python: `collect_children`, which forgets those
   * that have ended: these are forgotten by themselves.
   *
   * @returns when they have ended
   */
  collectChildren(): Promise<void> {
    return this.#children.collect()
  }

  /** The mode of `serveForever()`: {@link forked}. */
  override stage(): Stage<StreamRequest, Outcome<StreamRequest>> {
    return this.#children.stage()
  }

  /** Give the socket back, and wait for the children. */
  protected override async serverRelease(): Promise<void> {
    await super.serverRelease()
    await this.#children.release()
  }
}

/**
 * A {@link UDPServer} whose datagrams are served by child processes: bytes go there, and the reply comes back. See
 * {@link ForkingTCPServer}.
 *
 * Resources: as of a {@link UDPServer}; children as of a {@link ForkingTCPServer}; what is past them waits on the server.
 * Errors: as of a {@link ForkingTCPServer}.
 * Stopping: `close()`, which waits for the children too.
 * Python: `ForkingUDPServer`.
 *
 * @example
 * // upper.js: export default ({ packet, wfile }) => wfile.write(packet.toString().toUpperCase())
 * const module = new URL('./upper.js', import.meta.url)
 * const server = await new ForkingUDPServer({ port: 0, maxChildren: 2 }, module).listen()
 * const serving = server.serveForever()
 * assert.equal(await exchangeDatagram(server.address, 'echo'), 'ECHO')
 * await server.close()
 * await serving
 */
export class ForkingUDPServer extends UDPServer {
  readonly #children: Children<DatagramRequest>

  /**
   * @param options - where to listen, how, and how many children, for how long
   * @param module - the handler's module: a URL, or an absolute path
   */
  constructor(options: ForkingUDPServerOptions, module: URL | string) {
    const { children, rest } = divided<DatagramRequest, ForkingUDPServerOptions>('ForkingUDPServer', options, module)
    super(rest, children.serve)
    this.#children = children
  }

  /** The children that are there, by the numbers of their processes; the spares too. Python: `active_children`. */
  get activeChildren(): ReadonlySet<number> {
    return this.#children.active
  }

  /**
   * Let go of the children that have nothing to do, but for the spares. Python: `collect_children`, which forgets those
   * that have ended: these are forgotten by themselves.
   *
   * @returns when they have ended
   */
  collectChildren(): Promise<void> {
    return this.#children.collect()
  }

  /** The mode of `serveForever()`: {@link forked}. */
  override stage(): Stage<DatagramRequest, Outcome<DatagramRequest>> {
    return this.#children.stage()
  }

  /** Give the socket back, and wait for the children. */
  protected override async serverRelease(): Promise<void> {
    await super.serverRelease()
    await this.#children.release()
  }
}

/**
 * A {@link UnixStreamServer} whose requests are served by child processes: see {@link ForkingTCPServer}.
 *
 * Resources: as of a {@link UnixStreamServer}; children as of a {@link ForkingTCPServer}; what is past them waits on the server.
 * Errors: as of a {@link ForkingTCPServer}.
 * Stopping: `close()`, which waits for the children too.
 * Python: `ForkingUnixStreamServer`.
 *
 * @example
 * // hello.js: export default (request) => request.wfile.end('hello')
 * const module = new URL('./hello.js', import.meta.url)
 * const server = await new ForkingUnixStreamServer({ path: temporaryPath() }, module).listen()
 * const serving = server.serveForever()
 * assert.equal(await exchange(server.address), 'hello')
 * await server.close()
 * await serving
 */
export class ForkingUnixStreamServer extends UnixStreamServer {
  readonly #children: Children<StreamRequest>

  /**
   * @param options - where to listen, how, and how many children, for how long
   * @param module - the handler's module: a URL, or an absolute path
   */
  constructor(options: ForkingUnixStreamServerOptions, module: URL | string) {
    const { children, rest } = divided<StreamRequest, ForkingUnixStreamServerOptions>(
      'ForkingUnixStreamServer',
      options,
      module
    )
    super(rest, children.serve)
    this.#children = children
  }

  /** The children that are there, by the numbers of their processes; the spares too. Python: `active_children`. */
  get activeChildren(): ReadonlySet<number> {
    return this.#children.active
  }

  /**
   * Let go of the children that have nothing to do, but for the spares. Python: `collect_children`, which forgets those
   * that have ended: these are forgotten by themselves.
   *
   * @returns when they have ended
   */
  collectChildren(): Promise<void> {
    return this.#children.collect()
  }

  /** The mode of `serveForever()`: {@link forked}. */
  override stage(): Stage<StreamRequest, Outcome<StreamRequest>> {
    return this.#children.stage()
  }

  /** Give the socket back, and wait for the children. */
  protected override async serverRelease(): Promise<void> {
    await super.serverRelease()
    await this.#children.release()
  }
}

/**
 * A {@link UnixDatagramServer} whose datagrams are served by child processes: bytes go there, and the reply comes back.
 * See {@link ForkingTCPServer}.
 *
 * Resources: as of a {@link UnixDatagramServer}; children as of a {@link ForkingTCPServer}; what is past them waits in the kernel,
 * and its senders with it.
 * Errors: as of a {@link ForkingTCPServer}.
 * Stopping: `close()`, which waits for the children too.
 * Python: `ForkingUnixDatagramServer`.
 *
 * @example
 * // upper.js: export default ({ packet, wfile }) => wfile.write(packet.toString().toUpperCase())
 * const module = new URL('./upper.js', import.meta.url)
 * const server = await new ForkingUnixDatagramServer({ path: temporaryPath() }, module).listen()
 * const serving = server.serveForever()
 * await server.close()
 * await serving
 */
export class ForkingUnixDatagramServer extends UnixDatagramServer {
  readonly #children: Children<DatagramRequest>

  /**
   * @param options - where to listen, how, and how many children, for how long
   * @param module - the handler's module: a URL, or an absolute path
   */
  constructor(options: ForkingUnixDatagramServerOptions, module: URL | string) {
    const { children, rest } = divided<DatagramRequest, ForkingUnixDatagramServerOptions>(
      'ForkingUnixDatagramServer',
      options,
      module
    )
    super(rest, children.serve)
    this.#children = children
  }

  /** The children that are there, by the numbers of their processes; the spares too. Python: `active_children`. */
  get activeChildren(): ReadonlySet<number> {
    return this.#children.active
  }

  /**
   * Let go of the children that have nothing to do, but for the spares. Python: `collect_children`, which forgets those
   * that have ended: these are forgotten by themselves.
   *
   * @returns when they have ended
   */
  collectChildren(): Promise<void> {
    return this.#children.collect()
  }

  /** The mode of `serveForever()`: {@link forked}. */
  override stage(): Stage<DatagramRequest, Outcome<DatagramRequest>> {
    return this.#children.stage()
  }

  /** Give the socket back, and wait for the children. */
  protected override async serverRelease(): Promise<void> {
    await super.serverRelease()
    await this.#children.release()
  }
}

function divided<R extends Request, O extends ForkOptions>(
  what: string,
  options: O,
  module: URL | string
): { children: Children<R>; rest: Omit<O, keyof ForkOptions> } {
  const [forking, rest] = dividedOptions<ForkOptions, O>(options, forkOptionNames)
  return { children: new Children(forkPlan(what, module, forking)), rest }
}
