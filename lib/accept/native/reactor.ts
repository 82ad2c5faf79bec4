import { flushWithTurn } from '../../bytes/flush-turn.ts'
import { libc } from './libc.ts'
import { Readiness } from './readiness.ts'

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
 * It holds the process while it watches anything.
 */
export class Reactor {
  readonly #epoll: number
  readonly #readiness: Readiness
  // By descriptor. The kernel may give a number to another connection while events of the last are on their way.
  readonly #watched: (Watched | undefined)[] = []
  readonly #events = new Int32Array(batch * eventWords)
  readonly #event = new Int32Array(eventWords)
  #again: Watched[] = []
  #watches = 0
  #size = 0

  constructor() {
    this.#epoll = libc().epoll_create1(EPOLL_CLOEXEC)
    if (this.#epoll < 0) throw libc().error('epoll_create1')
    this.#readiness = new Readiness(this.#epoll, () => this.#turn())
  }

  /** Watch a descriptor: what is possible already is told too. Throws the system's error. */
  add(fd: number, watched: Watched): void {
    const event = this.#event
    watched.watch = ++this.#watches | 0
    event[0] = everything
    event[dataWord] = fd
    event[dataWord + 1] = watched.watch
    if (libc().epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, event) !== 0) throw libc().error('epoll_ctl')
    this.#watched[fd] = watched
    if (++this.#size === 1) this.#readiness.hold(true)
    this.#readiness.wait()
  }

  /** The descriptor is about to be closed, which ends the watch. */
  forget(fd: number): void {
    this.#watched[fd] = undefined
    if (--this.#size === 0) this.#readiness.hold(false)
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
    const events = this.#events
    const count = libc().epoll_wait(this.#epoll, events, batch, 0)
    // Before anybody is told: should one of them throw, the others are not lost.
    this.#readiness.wait()
    if (count <= 0) return
    flushWithTurn()
    for (let at = 0; at < count * eventWords; at += eventWords) {
      const watched = this.#watched[events[at + dataWord] as number]
      if (watched === undefined || watched.watch !== events[at + dataWord + 1]) continue
      try {
        watched.ready(events[at] as number)
      } catch (error) {
        rethrow(error)
      }
    }
  }

  readonly #goOn = (): void => {
    const again = this.#again
    this.#again = []
    flushWithTurn()
    for (const watched of again) {
      try {
        watched.goOn()
      } catch (error) {
        rethrow(error)
      }
    }
  }
}

let one: Reactor | undefined

/** The one of this process. */
export function reactor(): Reactor {
  one ??= new Reactor()
  return one
}

// There is nobody to throw to, and the events of others to tell.
function rethrow(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
