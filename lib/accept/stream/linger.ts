/** A connection that all has been sent to. */
export interface Lingering {
  /** The peer has not ended in time. */
  waitedLongEnough(): void
}

/** A place among those who linger. */
export interface Place {
  readonly socket: Lingering
  readonly queue: LingerQueue
  readonly until: number
  before: Place | undefined
  after: Place | undefined
  taken: boolean
}

/**
 * Those who linger equally long: the order of arrival is the order of leaving, and one timer serves them all. A list, of
 * which those who leave early keep nothing alive.
 */
class LingerQueue {
  readonly #patience: number
  #first: Place | undefined
  #last: Place | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(patience: number) {
    this.#patience = patience
  }

  enter(socket: Lingering): Place {
    const until = performance.now() + this.#patience
    const place: Place = { socket, queue: this, until, before: this.#last, after: undefined, taken: true }
    if (this.#last === undefined) this.#first = place
    else this.#last.after = place
    this.#last = place
    if (this.#timer === undefined) this.#wait(this.#patience)
    return place
  }

  leave({ before, after }: Place): void {
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
  }

  #wait(milliseconds: number): void {
    // The sockets hold the process, as long as they are open.
    this.#timer = setTimeout(this.#look, Math.ceil(milliseconds)).unref()
  }

  readonly #look = (): void => {
    this.#timer = undefined
    const now = performance.now()
    for (let place = this.#first; place !== undefined; place = this.#first) {
      if (place.until > now) {
        this.#wait(place.until - now)
        return
      }
      hasLeft(place)
      place.socket.waitedLongEnough()
    }
    queues.delete(this.#patience)
  }
}

const queues = new Map<number, LingerQueue>()

/**
 * Give the peer a moment to end. After the reply and our end have left, what the peer still sends is read and dropped
 * meanwhile: closing on unread input makes the kernel send a reset, and the reset can overtake the reply.
 *
 * @param socket - told where the peer has not ended by then
 * @param patience - milliseconds
 * @returns its place, for {@link hasLeft}
 */
export function linger(socket: Lingering, patience: number): Place {
  let queue = queues.get(patience)
  if (queue === undefined) {
    queue = new LingerQueue(patience)
    queues.set(patience, queue)
  }
  return queue.enter(socket)
}

/** The socket has closed before. Safe to call twice. */
export function hasLeft(place: Place): void {
  if (!place.taken) return
  place.taken = false
  place.queue.leave(place)
}
