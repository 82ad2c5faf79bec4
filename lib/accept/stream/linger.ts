/** A connection that all has been sent to. */
export interface Lingering {
  /** Let go at once. */
  destroy(): void
}

// After the reply and our end have left, what the peer still sends is read and dropped for this long: closing on unread
// input makes the kernel send a reset, and the reset can overtake the reply.
const patience = 1_000

// All wait equally long, so the order of arrival is the order of leaving, and one timer serves them all.
const lingering = new Map<Lingering, number>()
let timer: NodeJS.Timeout | undefined

function leave(): void {
  timer = undefined
  const now = performance.now()
  for (const [socket, until] of lingering) {
    if (until > now) {
      wait(until - now)
      return
    }
    lingering.delete(socket)
    socket.destroy()
  }
}

function wait(milliseconds: number): void {
  // The sockets hold the process, as long as they are open.
  timer = setTimeout(leave, Math.ceil(milliseconds)).unref()
}

/** Give the peer a moment to end, then destroy the socket. */
export function linger(socket: Lingering): void {
  lingering.set(socket, performance.now() + patience)
  if (timer === undefined) wait(patience)
}

/** The socket has closed before. */
export function hasLeft(socket: Lingering): void {
  lingering.delete(socket)
}
