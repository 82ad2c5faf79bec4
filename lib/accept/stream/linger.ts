/** A connection that all has been sent to. */
export interface Lingering {
  /** Let go at once. */
  destroy(): void
}

// After the reply and our end have left, what the peer still sends is read and dropped for this long: closing on unread
// input makes the kernel send a reset, and the reset can overtake the reply.
const patience = 1_000

/** A place among those who linger. */
export interface Place {
  readonly socket: Lingering
  readonly until: number
  before: Place | undefined
  after: Place | undefined
  taken: boolean
}

// All wait equally long, so the order of arrival is the order of leaving, and one timer serves them all. A list, of which
// those who leave early keep nothing alive.
let first: Place | undefined
let last: Place | undefined
let timer: NodeJS.Timeout | undefined

function leave(): void {
  timer = undefined
  const now = performance.now()
  while (first !== undefined) {
    if (first.until > now) {
      wait(first.until - now)
      return
    }
    const { socket } = first
    hasLeft(first)
    socket.destroy()
  }
}

function wait(milliseconds: number): void {
  // The sockets hold the process, as long as they are open.
  timer = setTimeout(leave, Math.ceil(milliseconds)).unref()
}

/**
 * Give the peer a moment to end, then destroy the socket.
 *
 * @returns its place, for {@link hasLeft}
 */
export function linger(socket: Lingering): Place {
  const place: Place = { socket, until: performance.now() + patience, before: last, after: undefined, taken: true }
  if (last === undefined) first = place
  else last.after = place
  last = place
  if (timer === undefined) wait(patience)
  return place
}

/** The socket has closed before. Safe to call twice. */
export function hasLeft(place: Place): void {
  if (!place.taken) return
  place.taken = false
  const { before, after } = place
  if (before === undefined) first = after
  else before.after = after
  if (after === undefined) last = before
  else after.before = before
}
