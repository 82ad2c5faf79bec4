import { ProcessHold } from '../accept/process-hold.ts'
import type { Address } from '../address.ts'
import { Channel } from '../iterator/channel.ts'
import type { Request, RequestServer } from '../request.ts'
import type { Stats } from '../stats.ts'
import type { Listener } from '../transport.ts'

/** Where a memory listener seems to be, and its bound. */
export interface MemoryListenerOptions {
  /** What it says of itself: the Unix path `memory` by default. */
  readonly address?: Address | undefined
  /** The most requests that wait to be accepted. */
  readonly maxPending: number
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
  /** The most requests that wait. */
  protected readonly maxPending: number
  readonly #channel: Channel<R>
  readonly #address: Address
  readonly #hold = new ProcessHold()
  #at: 'new' | 'listening' | 'closed' = 'new'

  /**
   * @param options - its address and its bound
   * @param owner - the server whose requests they are
   * @param stats - where they are counted
   */
  constructor(options: MemoryListenerOptions, owner: RequestServer, stats: Stats) {
    const { address = { family: 'unix', path: 'memory' }, maxPending } = options
    this.owner = owner
    this.stats = stats
    this.maxPending = maxPending
    this.#address = address
    this.#channel = new Channel(maxPending)
  }

  /** Turn one away, counted and published. */
  protected abstract refuse(request: R, reason: 'pending' | 'closing'): void

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

  /** Let one in, or refuse it. */
  protected arrive(request: R): boolean {
    if (this.#channel.offer(request)) return true
    this.refuse(request, 'pending')
    return false
  }
}
