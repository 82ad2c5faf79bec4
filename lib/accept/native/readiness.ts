import { libc } from './libc.ts'

// Held here, because a poll that nobody holds is collected, with all that waits for it.
const watched = new Map<number, Readiness>()

let isExiting = false
let watchesExit = false

// While Node takes a process down polls still ring, when nothing can be called any more: that would be an abort.
function stopAtExit(): void {
  isExiting = true
  for (const readiness of watched.values()) readiness.rest()
  // It was not the end: somebody has but said so.
  setImmediate(goOn).unref()
}

function goOn(): void {
  isExiting = false
  for (const readiness of watched.values()) readiness.goOn()
}

/**
 * The one owner of a poll: says when a descriptor can be read, to whoever waits at that time.
 *
 * What must never happen to a poll (a use after its close, two on one descriptor, a descriptor that is closed under it)
 * ends the process, so nobody else touches one. It does not hold the process, unless it is told to.
 */
export class Readiness {
  readonly #fd: number
  readonly #wake: () => void
  #poll: ReturnType<ReturnType<typeof libc>['poll']> | undefined
  #armed = false
  #wanted = false
  #hopping = false
  #closed = false
  #holds = false

  /**
   * @param fd - open, and watched by nobody else
   * @param wake - called once for each {@link Readiness.wait}, in a turn of its own
   */
  constructor(fd: number, wake: () => void) {
    if (!(fd >= 0) || watched.has(fd)) throw new RangeError(`Cannot watch descriptor ${fd}`)
    // Before others, one of which may throw.
    if (!watchesExit) process.prependListener('exit', stopAtExit)
    watchesExit = true
    watched.set(fd, this)
    this.#fd = fd
    this.#wake = wake
  }

  /** Wake once, when there is something to read. */
  wait(): void {
    this.#wanted = true
    if (this.#armed || this.#closed || isExiting) return
    this.#armed = true
    if (this.#poll === undefined) {
      this.#poll = libc().poll(this.#fd, this.#ready)
      if (!this.#holds) this.#poll.unref()
    } else this.#poll.start({ readable: true }, this.#ready as never)
  }

  /** Hold the process while it waits, or don't. */
  hold(holds: boolean): void {
    this.#holds = holds
    if (holds) this.#poll?.ref()
    else this.#poll?.unref()
  }

  /** Wake nobody for now. */
  rest(): void {
    if (this.#armed) this.#poll?.stop()
    this.#armed = false
  }

  /** After a rest. */
  goOn(): void {
    if (this.#wanted) this.wait()
  }

  /** Before the descriptor is closed. Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    watched.delete(this.#fd)
    this.#poll?.close()
    this.#poll = undefined
  }

  // No code of others runs here: promises and ticks made in it would wait, and a throw would surface elsewhere. The poll
  // stays armed while somebody waits each time it rings, which saves two system calls a turn; it is level-triggered, and
  // would ring for ever where nobody reads.
  readonly #ready = (status: number): void => {
    if (this.#closed) return
    // An error of the socket stops the poll; whoever reads is told of it.
    if (status < 0) this.#armed = false
    if (this.#hopping) return
    if (this.#wanted) {
      this.#hopping = true
      setImmediate(this.#hop)
    } else if (this.#armed) {
      this.#armed = false
      this.#poll?.stop()
    }
  }

  readonly #hop = (): void => {
    this.#hopping = false
    if (this.#closed || !this.#wanted) return
    this.#wanted = false
    this.#wake()
  }
}
