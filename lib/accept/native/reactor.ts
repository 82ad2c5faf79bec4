import { flushWithTurn } from '../../bytes/flush-turn.ts'
import { libc } from './libc.ts'
import { Readiness } from './readiness.ts'
import { received } from './receive.ts'

const EPOLLIN = 0x1
/** What an event says of a descriptor, besides that it can be read: an urgent byte is there. */
export const EPOLLPRI = 0x2
/** It can be written. */
export const EPOLLOUT = 0x4
/** It has failed. */
export const EPOLLERR = 0x8
/** Both ends have ended. */
export const EPOLLHUP = 0x10
/** The peer has ended. */
export const EPOLLRDHUP = 0x2000

const EPOLLET = 1 << 31
const EPOLL_CLOEXEC = 0o2000000
const EPOLL_CTL_ADD = 1
const EPOLL_CTL_DEL = 2

const everything = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET

// struct epoll_event, in 32-bit words: it is packed on x86 only.
const [eventWords, dataWord] = process.arch === 'x64' || process.arch === 'ia32' ? [3, 1] : [4, 2]

// Events of one call; what is left rings again in the next turn of the loop, when others have had theirs.
const batch = 256

// So much is read before those who read it are let on: what they write then is still in the processor's cache.
const slice = 65_536

/** Who is told what a descriptor is ready for. */
export interface Watched {
  /** Tells this watch from an earlier one of the same number: set by {@link Reactor.add}. */
  watch: number
  /** What has become possible, in flags of epoll. */
  ready(events: number): void
  /** What {@link Reactor.again} asked for. */
  goOn(): void
}

/**
 * Tells many descriptors when they can be read or written: one epoll for all of them, asked once a turn of the loop. Each
 * event is told once (edge-triggered), so reading and stopping to read cost no system call.
 *
 * It holds the process while it watches anything that should.
 */
export class Reactor {
  readonly #epoll: number
  readonly #readiness: Readiness
  // By descriptor. The kernel may give a number to another connection while events of the last are on their way.
  readonly #watched: (Watched | undefined)[] = []
  readonly #events = new Int32Array(batch * eventWords)
  readonly #event = new Int32Array(eventWords)
  // Those of the turn that are not told yet: events from a word to another, then those who go on.
  #at = 0
  #end = 0
  #going: Watched[] = []
  #gone = 0
  #again: Watched[] = []
  #watches = 0
  #size = 0

  constructor() {
    this.#epoll = libc().epoll_create1(EPOLL_CLOEXEC)
    if (this.#epoll < 0) throw libc().error('epoll_create1')
    this.#readiness = new Readiness(this.#epoll, () => this.#turn())
  }

  /**
   * Watch a descriptor: what is possible already is told too. Throws the system's error.
   *
   * @param holds - whether that holds the process; to be said again at the end of the watch
   */
  add(fd: number, watched: Watched, holds = true): void {
    const event = this.#event
    watched.watch = ++this.#watches | 0
    event[0] = everything
    event[dataWord] = fd
    event[dataWord + 1] = watched.watch
    if (libc().epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, event) !== 0) throw libc().error('epoll_ctl')
    this.#watched[fd] = watched
    if (holds && ++this.#size === 1) this.#readiness.hold(true)
    this.#readiness.wait()
  }

  /** The descriptor is about to be closed, which ends the watch. */
  forget(fd: number, holds = true): void {
    this.#watched[fd] = undefined
    if (holds && --this.#size === 0) this.#readiness.hold(false)
  }

  /** Watch a descriptor no more that stays open. */
  remove(fd: number): void {
    libc().epoll_ctl(this.#epoll, EPOLL_CTL_DEL, fd, this.#event)
    this.forget(fd)
  }

  /** Call `goOn` in the next turn of the loop. */
  again(watched: Watched): void {
    if (this.#again.push(watched) === 1) setImmediate(this.#goOn)
  }

  #turn(): void {
    if (this.#at >= this.#end) {
      this.#at = 0
      this.#end = Math.max(0, libc().epoll_wait(this.#epoll, this.#events, batch, 0)) * eventWords
    }
    this.#readiness.wait()
    if (this.#end > 0) this.#serve()
  }

  readonly #goOn = (): void => {
    this.#going = this.#going.slice(this.#gone).concat(this.#again)
    this.#gone = 0
    this.#again = []
    this.#serve()
  }

  readonly #serve = (): void => {
    flushWithTurn()
    const until = received.bytes + slice
    while (received.bytes < until) {
      try {
        if (!this.#tellNext()) return
      } catch (error) {
        // There is nobody to throw to, and others are to be told.
        process.nextTick(rethrow, error)
      }
    }
    queueMicrotask(this.#serveNext)
  }

  // After the flush, which is queued before.
  readonly #serveNext = (): void => {
    process.nextTick(this.#serve)
  }

  /** False where nobody is left. */
  #tellNext(): boolean {
    if (this.#at < this.#end) {
      const at = this.#at
      this.#at += eventWords
      const watched = this.#watched[this.#events[at + dataWord] as number]
      if (watched?.watch === this.#events[at + dataWord + 1]) watched?.ready(this.#events[at] as number)
      return true
    }
    const watched = this.#going[this.#gone++]
    watched?.goOn()
    return watched !== undefined
  }
}

let one: Reactor | undefined

/** The one of this process. */
export function reactor(): Reactor {
  one ??= new Reactor()
  return one
}

function rethrow(error: unknown): never {
  throw error
}
