import { count, known, show } from '../arguments.ts'
import { LimitExceededError } from '../errors.ts'
import { pending, rejection } from '../iterator/deferred.ts'

/** A permit of a {@link Semaphore}, in somebody's hands: `using permit = await semaphore.acquire()`. */
export interface Permit extends Disposable {
  /** Give it back. Safe to call twice: it comes back once. */
  release(): void
}

/** How {@link Semaphore.acquire} waits. */
export interface AcquireOptions {
  /** Gives the place in the line up. */
  readonly signal?: AbortSignal
}

/** How a {@link Semaphore} is bounded. */
export interface SemaphoreOptions {
  /** Callers of `acquire()` that wait at a time: 10,000 by default; `Infinity` for no bound. */
  readonly maxWaiting?: number
}

/** Who stands in the line of a semaphore. */
export interface Waiter {
  /** A permit is free, and it is this one's turn: to take it, or to let it be. It has left the line. */
  turn(): void
}

/**
 * A limit that can be changed while it is in force, and that several may share: modes, as their `limit`, and anybody else
 * by {@link Semaphore.acquire}.
 *
 * First come, first served. Raising `permits` wakes those who wait; lowering it takes nothing away from anybody, and
 * takes effect as permits come back; 0 is a pause.
 *
 * As the `limit` of modes: work that runs, and outcomes that nobody has read, never take more than the permits. A mode
 * begins to pull a request when a permit is free, but takes the permit when the request has come: a server whose clients
 * are silent takes none away from the others. Where a mode has the semaphore for itself that is the same as a number.
 * Where several share it, or it is lowered while a server is asked, a request may come when no permit is left: it waits,
 * not begun, and the next permit is for it, before those who have come to the line since its mode has asked. That is one
 * request of each mode at the most: it is pulled, so it counts as `open`; its mode pulls no other meanwhile; when its
 * server closes it is cut off at the deadline; where its loop is left it is refused.
 *
 * Don't wait for a permit in a handler that works by a permit of the same semaphore: all may be in such hands.
 *
 * Resources: one entry for each who waits.
 * Errors: `TypeError` and `RangeError` for wrong numbers.
 * Python: `threading.BoundedSemaphore`.
 *
 * @example
 * const both = new Semaphore(40)
 * const echo = (request: Request) => pipe(request, request)
 * const tcp = await new TCPServer({ port: 0 }).listen()
 * const udp = await new UDPServer({ port: 0 }).listen()
 * const serving = [tcp, udp].map((server) => pipe(server, parallel(echo, { limit: both }), drain))
 * assert.equal(await exchange(tcp.address, 'ping'), 'ping')
 * both.permits = 80
 * assert.equal(await exchangeDatagram(udp.address, 'ping'), 'ping')
 * await Promise.all([tcp.close(), udp.close(), ...serving])
 * assert.equal(both.taken, 0)
 */
export class Semaphore {
  readonly #maxWaiting: number
  // Callers of acquire() and modes that want to pull, in the order in which they came.
  readonly #line = new Set<Waiter>()
  // Modes that have stood in the line and pulled: with a request in hand they stand before it.
  readonly #inHand = new Set<Waiter>()
  #permits: number
  #taken = 0
  #acquiring = 0

  /**
   * @param permits - how many there are: 0 or more; `Infinity` for no bound
   * @param options - how many may wait
   */
  constructor(permits: number, options: SemaphoreOptions = {}) {
    known('Semaphore', options, ['maxWaiting'])
    this.#permits = permitCount(permits)
    this.#maxWaiting = count('maxWaiting', options.maxWaiting, 10_000, 0)
  }

  /** How many there are. Raised, those who wait get theirs at once; lowered below `taken`, none is given until enough have come back. */
  get permits(): number {
    return this.#permits
  }

  set permits(permits: number) {
    this.#permits = permitCount(permits)
    this.#grant()
  }

  /** How many are in somebody's hands: more than `permits` for a while, where that was lowered. */
  get taken(): number {
    return this.#taken
  }

  /** How many are free. */
  get available(): number {
    return Math.max(0, this.#permits - this.#taken)
  }

  /** How many callers of `acquire()`, and requests that modes have in hand, wait. */
  get waiting(): number {
    return this.#acquiring + this.#inHand.size
  }

  /**
   * Take a permit, when there is one.
   *
   * @param options - what gives the wait up
   * @returns the permit, to be released; rejects with the reason of the signal where that aborts
   * @throws {@link LimitExceededError} where `maxWaiting` wait already
   *
   * @example
   * const semaphore = new Semaphore(1)
   * const first = await semaphore.acquire()
   * const second = semaphore.acquire({ signal: AbortSignal.timeout(60_000) })
   * assert.equal(semaphore.waiting, 1)
   * first.release()
   * const permit = await second
   * permit.release()
   */
  acquire(options: AcquireOptions = {}): Promise<Permit> {
    known('acquire', options, ['signal'])
    const { signal } = options
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new TypeError(`Option signal must be an AbortSignal: got ${show(signal)}`)
    }
    if (signal?.aborted === true) return rejection(signal.reason)
    const permit = this.tryAcquire()
    if (permit !== undefined) return Promise.resolve(permit)
    if (this.#acquiring >= this.#maxWaiting) {
      const why = `Cannot wait for a permit: ${this.#maxWaiting} wait already, which is maxWaiting`
      return rejection(new LimitExceededError(why, this.#maxWaiting))
    }
    return this.#acquireLater(signal)
  }

  /**
   * Take a permit, where one is free and nobody waits for it.
   *
   * @returns the permit, to be released; `undefined` where there is none
   *
   * @example
   * const semaphore = new Semaphore(1)
   * const permit = semaphore.tryAcquire()
   * assert.equal(semaphore.tryAcquire(), undefined)
   * permit?.release()
   */
  tryAcquire(): Permit | undefined {
    return this.#line.size === 0 && this.take() ? new HeldPermit(this) : undefined
  }

  /**
   * Take a permit where one is free, past the line; {@link Semaphore.giveBack} is its other half.
   *
   * @internal
   */
  take(): boolean {
    if (this.#taken >= this.#permits) return false
    this.#taken++
    return true
  }

  /** @internal */
  giveBack(): void {
    this.#taken--
    this.#grant()
  }

  /**
   * Stand in the line; who stands there keeps the place.
   *
   * @internal
   */
  join(waiter: Waiter): void {
    this.#line.add(waiter)
    this.#grant()
  }

  /**
   * Stand before the line, with a request in hand.
   *
   * @internal
   */
  joinInHand(waiter: Waiter): void {
    this.#inHand.add(waiter)
    this.#grant()
  }

  /**
   * Give the place up.
   *
   * @internal
   */
  quit(waiter: Waiter): void {
    this.#line.delete(waiter)
    this.#inHand.delete(waiter)
  }

  #acquireLater(signal: AbortSignal | undefined): Promise<Permit> {
    const { promise, resolve, reject } = pending<Permit>()
    const over = (): void => {
      this.#acquiring--
      signal?.removeEventListener('abort', aborted)
    }
    const waiter = {
      turn: () => {
        over()
        this.#taken++
        resolve(new HeldPermit(this))
      }
    }
    const aborted = (): void => {
      over()
      this.quit(waiter)
      // Whoever aborts it need not wait for it any more.
      promise.catch(() => {})
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', aborted)
    this.#acquiring++
    this.join(waiter)
    return promise
  }

  // A turn may call back in here, by a source that asks us: each round looks again.
  #grant(): void {
    while (this.#taken < this.#permits) {
      const line = this.#inHand.size > 0 ? this.#inHand : this.#line
      const [first] = line
      if (first === undefined) return
      line.delete(first)
      first.turn()
    }
  }
}

class HeldPermit implements Permit {
  #semaphore: Semaphore | undefined

  constructor(semaphore: Semaphore) {
    this.#semaphore = semaphore
  }

  release(): void {
    const semaphore = this.#semaphore
    this.#semaphore = undefined
    semaphore?.giveBack()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

/** A number of requests at a time, or a semaphore that says it; the fallback where it was left out. */
export function limitOption(limit: unknown, fallback: number): number | Semaphore {
  if (limit instanceof Semaphore) return limit
  if (typeof limit === 'object' && limit !== null) {
    throw new TypeError(`Option limit must be a number or a Semaphore: got ${show(limit)}`)
  }
  return count('limit', limit, fallback)
}

function permitCount(permits: unknown): number {
  if (permits === undefined) throw new TypeError('Option permits must be a number: got undefined')
  return count('permits', permits, 0, 0)
}
