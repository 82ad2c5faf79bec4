import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import { isServer } from './give-back.ts'
import type { Semaphore, Waiter } from './semaphore.ts'
import { WaitingRequest } from './waiting-request.ts'

/**
 * A mode's place at a semaphore.
 *
 * A pull cannot be taken back, and may stay parked for as long as a server has no client. If it held a permit, as many
 * idle servers as there are permits would starve all others; so it holds none: a mode that wants to pull waits until a
 * permit is free, and its request takes one when it comes. Where there is none any more the request waits here, alone,
 * before everybody in the line.
 */
export class Turnstile<R extends Request, V> {
  readonly #semaphore: Semaphore
  // Of the servers that have been seen, those that go on.
  readonly #running = new Set<AbortSignal>()
  readonly #toPull: Waiter = { turn: () => this.#pullNow() }
  readonly #toBegin: Waiter = { turn: () => this.#beginInHand() }
  #met: AbortSignal | undefined
  #pull: (() => void) | undefined
  #inHand: WaitingRequest<R, V> | undefined
  // It ended without ever having had a permit: its place is taken until its outcome is read.
  #unpermitted: R | undefined
  #left = false

  /**
   * @param semaphore - who has the permits
   * @param source - what the mode pulls
   */
  constructor(semaphore: Semaphore, source: object) {
    this.#semaphore = semaphore
    if (isServer(source)) this.#meet(source.stopping)
  }

  /**
   * Call back when it is time to pull, where nobody is in hand.
   *
   * @param pull - may be called at once
   */
  ask(pull: () => void): void {
    this.#pull = pull
    this.#stand()
  }

  /**
   * Serve a request when there is a permit for it.
   *
   * @param request - the request that was pulled
   * @param begin - serves it
   */
  serve(request: R, begin: (request: R) => Promise<Outcome<R, V>>): Promise<Outcome<R, V>> {
    this.#meet(request.server.stopping)
    if (this.#semaphore.take()) return begin(request)
    const waiting = new WaitingRequest(request, begin)
    this.#inHand = waiting
    this.#semaphore.joinInHand(this.#toBegin)
    waiting.watch(() => {
      this.#semaphore.quit(this.#toBegin)
      this.#inHand = undefined
      this.#unpermitted = request
    })
    return waiting.served
  }

  /** The outcome of a request was read, or will not be. */
  read(request: R): void {
    if (request !== this.#unpermitted) this.#semaphore.giveBack()
    else {
      this.#unpermitted = undefined
      this.#stand()
    }
  }

  /** The mode was left, or has ended: who is in hand is refused. */
  leave(): void {
    this.#left = true
    this.#semaphore.quit(this.#toPull)
    this.#semaphore.quit(this.#toBegin)
    for (const stopping of this.#running) stopping.removeEventListener('abort', this.#serverStops)
    this.#running.clear()
    if (this.#inHand === undefined) return
    this.#unpermitted = this.#inHand.request
    this.#inHand.refuse()
    this.#inHand = undefined
  }

  #stand(): void {
    if (this.#left || this.#pull === undefined || this.#inHand !== undefined || this.#unpermitted !== undefined) return
    // Servers that close have an end to tell, which must not wait for a permit that others hold.
    if (this.#met !== undefined && this.#running.size === 0) this.#pullNow()
    else this.#semaphore.join(this.#toPull)
  }

  #pullNow(): void {
    const pull = this.#pull
    this.#pull = undefined
    pull?.()
  }

  #beginInHand(): void {
    const waiting = this.#inHand
    if (waiting === undefined || !this.#semaphore.take()) return
    this.#inHand = undefined
    waiting.begin()
    this.#stand()
  }

  #meet(stopping: AbortSignal): void {
    if (stopping === this.#met) return
    this.#met = stopping
    if (stopping.aborted || this.#running.has(stopping)) return
    this.#running.add(stopping)
    stopping.addEventListener('abort', this.#serverStops, { once: true })
  }

  readonly #serverStops = ({ target }: Event): void => {
    this.#running.delete(target as AbortSignal)
    if (this.#running.size > 0) return
    this.#semaphore.quit(this.#toPull)
    this.#stand()
  }
}
