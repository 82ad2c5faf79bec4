import { known, show } from '../arguments.ts'
import { ClosedError } from '../errors.ts'
import type { ServerLimits } from '../limits.ts'
import type { Outcome } from '../outcome.ts'
import type { Report, Request } from '../request.ts'
import { copyOf, type ServerStats } from '../stats.ts'
import { ConnectionWatch, type OpenCondition } from './connection-watch.ts'
import { Guests } from './guests.ts'
import { ServerHooks } from './hooks.ts'
import { changesOf, type LimitRules, limitsOf, serverRules } from './limit-rules.ts'
import { TimeLimits } from './time-limits.ts'
import { signalOption } from './when-aborted.ts'

/** What a server knows of the requests that it has handed out: how many there are, and within which limits. */
export abstract class RequestHost<R extends Request = Request> extends ServerHooks<R> {
  readonly #watch = new ConnectionWatch(() => this.guests.size)
  #watchEnds = false
  readonly #limits: ServerLimits
  readonly #timeLimits: TimeLimits
  /** @internal */
  protected readonly guests: Guests = new Guests(() => this.#watch.changed())

  /** @param options - the limits among them; others are left alone */
  constructor(options: object) {
    super()
    this.#limits = limitsOf(this.limitRules, options)
    this.#timeLimits = new TimeLimits(this.guests, this.#limits)
  }

  /** Settles when the server has closed, however that came about. */
  abstract get closed(): Promise<Report>

  /** Requests that were taken in and that no loop has got. */
  protected abstract get queued(): number

  /** What has been counted since the server was made, and what is the case now. */
  stats(): ServerStats {
    return { ...copyOf(this.counters), open: this.guests.size, waiting: this.queued }
  }

  /**
   * Wait until as many requests are open as a condition says: those that were handed out and have not gone yet.
   *
   * @param condition - gets their number, now and whenever it changes
   * @param options - a signal that ends the wait, with its reason
   * @returns the number that met the condition
   * @throws {@link ClosedError} where the server has closed and it will never be met
   *
   * @example
   * const server = await new TCPServer({ port: 0 }, (request) => pipe(request, request)).listen()
   * const serving = server.serveForever()
   * const two = server.waitForConnections((open) => open >= 1)
   * assert.equal(await exchange(server.address, 'ping'), 'ping')
   * assert.equal(await two, 1)
   * await server.close()
   * await serving
   */
  async waitForConnections(condition: OpenCondition, options: { readonly signal?: AbortSignal } = {}): Promise<number> {
    known('waitForConnections', options, ['signal'])
    if (typeof condition !== 'function') {
      throw new TypeError(`waitForConnections takes a function of a number: got ${show(condition)}`)
    }
    const signal = signalOption(options.signal)
    if (!this.#watchEnds) {
      this.#watchEnds = true
      const why = 'Cannot wait for connections: the server has closed'
      void this.closed.then(() => this.#watch.end(new ClosedError(why)))
    }
    return this.#watch.until(condition, signal)
  }

  /** The limits as they are now, a copy; {@link RequestHost.setLimits} changes them. */
  get limits(): Readonly<ServerLimits> {
    return { ...this.#limits }
  }

  /**
   * The same, which change with them.
   *
   * @internal
   */
  protected get liveLimits(): Readonly<ServerLimits> {
    return this.#limits
  }

  /**
   * Change limits while running: at once, also for those inside.
   *
   * @param limits - what is new; what is left out stays. Where anything of it is wrong this throws, and nothing changes
   *
   * @example
   * const server = await new TCPServer({ port: 0, maxConnections: 100 }).listen()
   * server.setLimits({ maxConnections: 200, idleTimeout: 30_000 })
   * assert.equal(server.limits.maxConnections, 200)
   * await server.close()
   */
  setLimits(limits: Partial<ServerLimits>): void {
    Object.assign(this.#limits, changesOf(this.limitRules, limits))
    this.#timeLimits.changed()
  }

  /**
   * A mode has served a request: it is counted, and a closing server no longer waits for it.
   *
   * @param outcome - how it went
   */
  workEnded({ status, request }: Outcome<Request>): void {
    if (status === 'fulfilled') this.counters.served++
    else this.counters.failed++
    this.letGo(request)
  }

  /**
   * Whoever set `held` of a request has done with it, and nothing is counted: a closing server no longer waits for it.
   *
   * @param request - the request, no longer held
   */
  letGo(request: Request): void {
    this.guests.letGo(request)
  }

  /** The limits that there are, and how each is checked: read before the constructors of subclasses run. */
  protected get limitRules(): LimitRules<ServerLimits> {
    return serverRules
  }

  /** @internal */
  protected take(request: R): void {
    this.guests.add(request)
    this.#timeLimits.watch()
  }
}
