import { type Deferred, deferred } from '../../iterator/deferred.ts'

/** A reply, and where it goes. */
export interface Reply {
  readonly bytes: Buffer
  /** The peer's address, in the kernel's form. */
  readonly to: Buffer
  /** Whether its request was cut off meanwhile. */
  readonly cutOff: () => boolean
}

/** What an {@link Outbox} stands on. */
export interface OutboxEnds {
  /** Sends at once: `false` where there is no room; throws where it can't be sent at all. */
  readonly send: (reply: Reply) => boolean
  /** The most replies that wait, and the milliseconds that one waits: as they are now. */
  readonly limits: { readonly maxQueuedReplies: number; readonly sendTimeout: number }
  /** What part of them may wait for one peer. */
  readonly share: number
}

interface Waiting extends Reply {
  readonly since: number
  readonly sent: Deferred<void>
}

interface Peer {
  readonly key: string
  readonly replies: Waiting[]
  delay: number
  due: number
}

const longestDelay = 20

/**
 * Replies that found no room at their peer. They keep their order, and those for a peer that does not read delay nobody
 * else's, nor take all the room here: each peer has its share.
 *
 * No event tells when a peer has room again (POLLOUT tells of our own buffer), so they are tried again: in the next turn of
 * the loop, and in each one that brought room; else after 1 to 20 milliseconds.
 */
export class Outbox {
  readonly #ends: OutboxEnds
  readonly #peers = new Map<string, Peer>()
  #size = 0
  #timer: NodeJS.Timeout | undefined

  /** @param ends - what it stands on */
  constructor(ends: OutboxEnds) {
    this.#ends = ends
  }

  /** Replies that wait. */
  get size(): number {
    return this.#size
  }

  /**
   * Send, or wait for room.
   *
   * @returns nothing where it has left, else when it has; rejects where it can't be sent, or waited too long
   */
  send(reply: Reply): void | Promise<void> {
    const key = this.#size === 0 ? undefined : reply.to.toString('latin1')
    const peer = key === undefined ? undefined : this.#peers.get(key)
    if (peer === undefined && this.#ends.send(reply)) return
    const { limits, share } = this.#ends
    if (this.#size >= limits.maxQueuedReplies)
      throw full(`${this.#size} replies wait already for peers that do not read`)
    const waiting = peer?.replies.length ?? 0
    if (waiting >= Math.ceil(limits.maxQueuedReplies * share))
      throw full(`${waiting} replies wait already for the peer, which does not read`)
    return this.#keep(key ?? reply.to.toString('latin1'), reply)
  }

  /** Give up: what waits is not sent. */
  close(error: Error): void {
    clearTimeout(this.#timer)
    for (const { replies } of this.#peers.values()) for (const { sent } of replies) sent.reject(error)
    this.#peers.clear()
    this.#size = 0
  }

  #keep(key: string, reply: Reply): Promise<void> {
    const now = performance.now()
    const waiting: Waiting = { ...reply, since: now, sent: deferred<void>() }
    const peer = this.#peers.get(key)
    if (peer === undefined) {
      this.#peers.set(key, { key, replies: [waiting], delay: 0, due: now })
      setImmediate(this.#round)
    } else peer.replies.push(waiting)
    this.#size++
    return waiting.sent.promise
  }

  readonly #round = (): void => {
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const peer of this.#peers.values()) {
      if (peer.due <= now) this.#try(peer, now)
      if (peer.replies.length === 0) this.#peers.delete(peer.key)
      else next = Math.min(next, peer.due)
    }
    clearTimeout(this.#timer)
    if (this.#peers.size === 0) return
    if (next <= now) setImmediate(this.#round)
    else this.#timer = setTimeout(this.#round, Math.max(1, next - now))
  }

  #try(peer: Peer, now: number): void {
    let moved = false
    while (peer.replies.length > 0) {
      const reply = peer.replies[0] as Waiting
      if (!this.#leaves(reply, now)) break
      moved = true
      peer.replies.shift()
      this.#size--
    }
    // One that reads is asked again in the next turn.
    peer.delay = moved ? 0 : Math.min(longestDelay, Math.max(1, peer.delay * 2))
    peer.due = now + peer.delay
  }

  /** Whether a reply waits no longer: sent, or given up. */
  #leaves(reply: Waiting, now: number): boolean {
    try {
      if (!reply.cutOff() && !this.#ends.send(reply)) {
        const { sendTimeout } = this.#ends.limits
        if (now - reply.since < sendTimeout) return false
        throw Object.assign(new Error(`the peer took nothing for ${sendTimeout} ms`), { code: 'ETIMEDOUT' })
      }
      reply.sent.resolve()
    } catch (error) {
      reply.sent.reject(error)
    }
    return true
  }
}

function full(why: string): Error {
  return Object.assign(new Error(why), { code: 'ENOBUFS' })
}
