import { performance } from 'node:perf_hooks'
import { type Flushable, flushThisTurn, flushWithTurn } from '../../bytes/flush-turn.ts'
import { type Deferred, pending } from '../../iterator/deferred.ts'
import { triage, type Verdict } from '../triage.ts'
import { Readiness } from './readiness.ts'

// So many in one turn of the loop, or for so many milliseconds where handlers take long; then timers and other sockets
// have theirs.
const burst = 64
const burstTime = 1

// Milliseconds: where the machine is short of something, trying again at once only spins.
const shortestPause = 100
const longestPause = 1_000

/** What a take returns that took something in which is nobody's: the next one is tried. */
export const skipped = Symbol('skipped')

/** What {@link OnDemand} stands on. */
export interface OnDemandEnds<T> {
  /**
   * Takes one in: `undefined` where none is there. Throws the system's error.
   *
   * @param likely - how many more will be asked for, going by this turn of the loop and the one before; 1 at least
   */
  readonly take: (likely: number) => T | typeof skipped | undefined
  /** Whether nothing may be taken in now, but at the close: {@link OnDemand.goOn} says when that is over. */
  readonly isHeld?: () => boolean
  /** The error that a dead listener ends with. */
  readonly fatal: (error: NodeJS.ErrnoException) => Error
  /** Taking in has failed. */
  readonly troubled: (error: NodeJS.ErrnoException, verdict: Verdict) => void
}

/** Takes in from a descriptor when somebody asks, and not before: what nobody asks for stays in the kernel. */
export class OnDemand<T> implements Flushable {
  readonly #ends: OnDemandEnds<T>
  readonly #readiness: Readiness
  #parked: Deferred<T | undefined> | undefined
  #taken = 0
  // What was asked for, and was there, in this turn and in the one before; none where it is nobody's turn.
  #given = 0
  #givenBefore = 0
  #inTurn = false
  #begun = 0
  #pause = 0
  #shortage: string | undefined
  #timer: NodeJS.Timeout | undefined
  #takesAll = false
  #closed = false

  /**
   * @param fd - listens, and never blocks
   * @param ends - what it stands on
   */
  constructor(fd: number, ends: OnDemandEnds<T>) {
    this.#ends = ends
    this.#readiness = new Readiness(fd, this.#wake)
  }

  /** The next one; one caller at a time. `undefined` after the close. Throws, or rejects, where the listener is dead. */
  next(): T | undefined | Promise<T | undefined> {
    if (this.#closed) return undefined
    if (this.#pause === 0 && !this.#spent() && !this.#isHeld) {
      const item = this.#take()
      if (item !== undefined) return item
    }
    this.#parked = pending<T | undefined>()
    this.#later()
    return this.#parked.promise
  }

  /** It is not held any more. */
  goOn(): void {
    if (this.#parked !== undefined) setImmediate(this.#wake)
  }

  /** Nothing wakes it any more, and the descriptor may be closed; whoever waits goes on waiting. Safe to call twice. */
  stop(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#readiness.close()
  }

  /**
   * Stop, before the descriptor is closed: whoever waits gets the last item, or the end.
   *
   * @param last - what has been taken out of the kernel
   */
  close(last: T[]): void {
    this.stop()
    if (this.#parked !== undefined) this.#unpark(last.shift())
  }

  /** Takes in all that is there, however much: before the close, when nothing more comes. Throws as `next` does. */
  takeAll(each: (item: T) => void): void {
    this.#takesAll = true
    this.#taken = Number.NEGATIVE_INFINITY
    this.#given = Number.POSITIVE_INFINITY
    this.#inTurn = true
    this.#begun = Number.POSITIVE_INFINITY
    for (let item = this.#take(); item !== undefined; item = this.#take()) each(item)
  }

  /** The turn is over. */
  flushTurn(): void {
    this.#inTurn = false
    this.#givenBefore = this.#given
    this.#given = 0
  }

  readonly #wake = (): void => {
    this.#taken = 0
    this.#begun = performance.now()
    flushWithTurn()
    if (!this.#inTurn) flushThisTurn(this)
    this.#inTurn = true
    if (this.#parked === undefined || this.#closed || this.#isHeld) return
    try {
      const item = this.#take()
      if (item === undefined) this.#later()
      else this.#unpark(item)
    } catch (error) {
      const parked = this.#parked
      this.#parked = undefined
      parked.reject(error)
    }
  }

  get #isHeld(): boolean {
    return this.#ends.isHeld?.() === true && !this.#takesAll
  }

  #later(): void {
    if (this.#isHeld) return
    if (this.#pause > 0) {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(this.#wake, this.#pause).unref()
    } else if (this.#spent()) setImmediate(this.#wake)
    else this.#readiness.wait()
  }

  /** Whether the turn has had its share. */
  #spent(): boolean {
    return this.#taken >= burst || performance.now() - this.#begun >= burstTime
  }

  get #likely(): number {
    if (!this.#inTurn) return 1
    const more = Math.max(this.#given, this.#givenBefore - this.#given)
    return Math.max(1, Math.min(more, burst - this.#taken + 1))
  }

  #unpark(item: T | undefined): void {
    const parked = this.#parked
    this.#parked = undefined
    parked?.resolve(item)
  }

  #take(): T | undefined {
    do {
      this.#taken++
      try {
        const item = this.#ends.take(this.#likely)
        this.#pause = 0
        if (item === skipped) continue
        if (item === undefined) this.#taken--
        else this.#given++
        return item
      } catch (error) {
        if (!this.#goesOn(error as NodeJS.ErrnoException)) return undefined
      }
    } while (!this.#spent() && !this.#isHeld)
    return undefined
  }

  /** Whether to try again at once. */
  #goesOn(error: NodeJS.ErrnoException): boolean {
    if (error.code === 'EINTR') return true
    const verdict = triage(error)
    // Once, and then once a second, while the machine stays short of the same.
    const isNews =
      verdict !== 'wait' || this.#pause === 0 || this.#pause === longestPause || this.#shortage !== error.code
    this.#shortage = error.code
    if (isNews) this.#ends.troubled(error, verdict)
    if (verdict === 'fatal') throw this.#ends.fatal(error)
    if (verdict === 'wait') this.#pause = Math.min(longestPause, Math.max(shortestPause, this.#pause * 2))
    return verdict === 'skip'
  }
}
