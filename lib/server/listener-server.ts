import type { Address } from '../address.ts'
import { NotListeningError } from '../errors.ts'
import type { PendingLimits } from '../limits.ts'
import type { Request } from '../request.ts'
import type { Listener } from '../transport.ts'
import { BaseServer } from './base.ts'

/** A server whose requests come from a listener: what the socket servers share. */
export abstract class ListenerServer<
  R extends Request,
  A extends Address,
  L extends PendingLimits = PendingLimits
> extends BaseServer<R> {
  #listener: Listener<R> | undefined
  #held = true

  /** Make the listener; called by `serverBind`. */
  protected abstract createListener(): Listener<R>

  /** The limits as they are now, a copy; {@link ListenerServer.setLimits} changes them. */
  override get limits(): Readonly<L> {
    return super.limits as L
  }

  /** @internal */
  protected override get liveLimits(): Readonly<L> {
    return super.liveLimits as L
  }

  /**
   * Change limits while running: at once, also for those inside. A lower `maxConnections` cuts nobody off. Those that a
   * worker has keep the `idleTimeout` with which it got them, and where it has their sockets `lingerTimeout` and
   * `maxLingerBytes` too.
   *
   * @param limits - what is new; what is left out stays. Where anything of it is wrong this throws, and nothing changes
   */
  override setLimits(limits: Partial<L>): void {
    super.setLimits(limits)
    this.#listener?.limitsChanged()
  }

  /** Where it listens. Throws a {@link NotListeningError} before `listen()`. */
  override get address(): A {
    const address = this.#listener?.address
    if (address === undefined) throw new NotListeningError('Cannot tell the address: the server does not listen yet')
    return address as A
  }

  /** The descriptor of the listening socket, or of its copy where it was given by `fd`; `undefined` where there is none. */
  override fileno(): number | undefined {
    return this.#listener?.fileno()
  }

  /** Make the socket. */
  override serverBind(): void | Promise<void> {
    this.#listener = this.createListener()
    if (!this.#held) this.#listener.unref()
    if (this.suspended) this.#listener.suspend()
  }

  /** Bind it and listen. */
  override async serverActivate(): Promise<void> {
    await this.#listener?.listen()
  }

  /** The next connection or datagram. */
  override getRequest(signal: AbortSignal): R | undefined | Promise<R | undefined> {
    void signal
    return this.#listener?.accept()
  }

  /** Hold the process while listening: the default. */
  override ref(): this {
    this.#held = true
    this.#listener?.ref()
    return this
  }

  /** Don't hold the process. */
  override unref(): this {
    this.#held = false
    this.#listener?.unref()
    return this
  }

  /** Nothing: the listener has counted it when it came in. */
  protected override requestArrived(): void {}

  /** Connections or datagrams that were taken in and that nobody has accepted. */
  protected override get waiting(): number {
    return this.#listener?.waiting ?? 0
  }

  /**
   * Never: the listener knows what it may hand over while it is suspended.
   *
   * @internal
   */
  protected override get holdsBack(): boolean {
    return false
  }

  /** Take nobody new in. */
  protected override serverClose(): void | Promise<void> {
    return this.#listener?.close()
  }

  /** Take nobody new in until `serverResume`. */
  protected override serverSuspend(): void {
    this.#listener?.suspend()
  }

  /** Take in again. */
  protected override serverResume(): void {
    this.#listener?.resume()
  }

  /** Refuse what waits. */
  protected override serverDiscard(): void {
    this.#listener?.discard()
  }

  /** Give the socket back. */
  protected override serverRelease(): void | Promise<void> {
    return this.#listener?.release()
  }
}
