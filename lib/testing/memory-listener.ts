import { ProcessHold } from '../accept/process-hold.ts'
import type { Address } from '../address.ts'
import { Channel } from '../iterator/channel.ts'
import type { PendingLimits } from '../limits.ts'
import type { Request, RequestServer } from '../request.ts'
import type { DropReason, RefusalReason, Stats } from '../stats.ts'
import type { Listener } from '../transport.ts'

/** Where a memory listener seems to be. */
export interface MemoryListenerOptions<L extends PendingLimits = PendingLimits> {
  /** What it says of itself: the Unix path `memory` by default. */
  readonly address?: Address | undefined
  /** Its limits, where they are somebody else's, who may change them while it listens; in place of each by its name. */
  readonly limits?: Readonly<L>
}

/**
 * What the memory listeners share: requests from within the process wait here, up to `maxPending`, until somebody accepts
 * them.
 */
export abstract class MemoryListener<R extends Request> implements Listener<R> {
  /** The server whose requests they are. */
  protected readonly owner: RequestServer
  /** Where they are counted. */
  protected readonly stats: Stats
  readonly #channel: Channel<R>
  readonly #address: Address
  readonly #hold = new ProcessHold()
  #suspended = false
  #at: 'new' | 'listening' | 'closed' = 'new'

  /**
   * @param address - its address
   * @param limits - as they are now
   * @param owner - the server whose requests they are
   * @param stats - where they are counted
   */
  constructor(
    address: Address = { family: 'unix', path: 'memory' },
    limits: Readonly<PendingLimits>,
    owner: RequestServer,
    stats: Stats
  ) {
    this.owner = owner
    this.stats = stats
    this.#address = address
    this.#channel = new Channel(limits)
  }

  /** Turn one away, counted and published. */
  protected abstract refuse(request: R, reason: DropReason & RefusalReason): void

  /** Where it seems to listen; `undefined` before `listen()`. */
  get address(): Address | undefined {
    return this.#at === 'new' ? undefined : this.#address
  }

  /** Requests that came in and that nobody has accepted. */
  get waiting(): number {
    return this.#channel.size
  }

  /** Whether somebody new can come. */
  protected get listening(): boolean {
    return this.#at === 'listening'
  }

  /** Begin to take requests in. */
  async listen(): Promise<void> {
    this.#at = 'listening'
    this.#hold.begin()
  }

  /** The next request; `undefined` when it was closed and nothing waits. */
  accept(): Promise<R | undefined> {
    return this.#channel.take()
  }

  /** Take nobody new in; what waits can still be accepted. */
  async close(): Promise<void> {
    this.#at = 'closed'
    this.#channel.end()
  }

  /** Let the process go. */
  async release(): Promise<void> {
    await this.close()
    this.#hold.end()
  }

  /** Refuse what waits. */
  discard(): void {
    this.#channel.discard((request) => this.refuse(request, 'closing'))
  }

  /** There is none. */
  fileno(): number | undefined {
    return undefined
  }

  /** Hold the process while listening (the default). */
  ref(): void {
    this.#hold.ref()
  }

  /** Don't hold the process. */
  unref(): void {
    this.#hold.unref()
  }

  /** Take nobody new in until `resume()`: they are refused. */
  suspend(): void {
    this.#suspended = true
  }

  /** Take in again. */
  resume(): void {
    this.#suspended = false
  }

  /** Nothing: they are looked at when somebody comes. */
  limitsChanged(): void {}

  /** Let one in, or refuse it. */
  protected arrive(request: R): boolean {
    if (!this.#suspended && this.#channel.offer(request)) return true
    this.refuse(request, this.#suspended ? 'suspended' : 'pending')
    return false
  }
}
