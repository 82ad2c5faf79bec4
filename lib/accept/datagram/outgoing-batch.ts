import { type Flushable, flushThisTurn } from '../../bytes/flush-turn.ts'
import { libc } from '../native/libc.ts'
import { MSG_DONTWAIT, MSG_NOSIGNAL } from '../native/message-flags.ts'
import { longestSockaddr } from '../native/sockaddr.ts'
import { addressOf, MessageVector, vectorLength } from './message-vector.ts'

// Of the control message that has the kernel cut one send into datagrams of a size.
const SOL_UDP = 17
const UDP_SEGMENT = 103
// What a kernel says, or a network, that can't cut.
const cannotCut = new Set([5, 22, 90, 92, 95])
const largestSend = 65_000
const controlSize = 24
const controlLength = 18

/** Larger ones are sent by themselves: they cost more than the call does. */
export const largestInBatch = 1_400

/** A reply, where it goes, and who is told. */
export interface Outgoing {
  readonly bytes: Buffer
  /** The peer's address, in the kernel's form. */
  readonly to: Buffer
  /** It has left. */
  left(): void
  /** It has to go another way: there was no room, or it can't be sent at all. */
  refused(): void
}

/** What an {@link OutgoingBatch} stands on. */
export interface OutgoingBatchEnds {
  /** The socket. */
  readonly fd: () => number
  /** Whether replies wait for their peers: then all take the other way, behind them. */
  readonly waiting: () => boolean
  /** Replies that may wait for each other, {@link vectorLength} at most. */
  readonly most: number
  /** Whether the kernel may be asked to cut: for UDP. */
  readonly segments: boolean
}

/**
 * The replies of a turn of the loop, sent together: by one system call, and by one walk through the kernel where several
 * of a size go to one peer.
 */
export class OutgoingBatch implements Flushable {
  readonly #ends: OutgoingBatchEnds
  readonly #replies: Outgoing[] = []
  // How many replies each message of the call stands for.
  readonly #runs = new Int32Array(vectorLength)
  #segments: boolean

  /** @param ends - what it stands on */
  constructor(ends: OutgoingBatchEnds) {
    this.#ends = ends
    this.#segments = ends.segments
  }

  /** How many wait for the end of the turn. */
  get size(): number {
    return this.#replies.length
  }

  /** One more, of {@link largestInBatch} bytes at most, to a peer that has an address. */
  add(reply: Outgoing): void {
    // Not when it becomes full: whoever adds a reply is not ready yet to hear what has become of it.
    while (this.#replies.length >= this.#ends.most) this.flushTurn()
    if (this.#replies.push(reply) === 1) flushThisTurn(this)
  }

  /** Send them. */
  flushTurn(): void {
    const replies = this.#replies.splice(0)
    for (let from = 0; from < replies.length; ) {
      if (this.#ends.waiting()) {
        for (; from < replies.length; from++) (replies[from] as Outgoing).refused()
        return
      }
      const messages = this.#pack(replies, from)
      const sent = libc().sendmmsg(this.#ends.fd(), memory().vector.headers, messages, MSG_DONTWAIT | MSG_NOSIGNAL)
      // Counted before anybody is told, who may reply to others then.
      let to = from
      for (let message = 0; message < sent; message++) to += this.#runs[message] as number
      while (from < to) (replies[from++] as Outgoing).left()
      // Where some have left the next call tells what is wrong with the one that has not.
      if (sent > 0) continue
      const run = this.#runs[0] as number
      if (run > 1 && cannotCut.has(libc().errno())) this.#segments = false
      else for (to += run; from < to; ) (replies[from++] as Outgoing).refused()
    }
  }

  /** Describes the replies from one on to the kernel; answers with the number of messages. */
  #pack(replies: readonly Outgoing[], from: number): number {
    const { vector, packets, names, controls, controlsAt } = memory()
    let messages = 0
    for (let i = from; i < replies.length; ) {
      const { bytes, to } = replies[i] as Outgoing
      const first = i - from
      const size = bytes.length
      let run = 0
      for (; i < replies.length; i++, run++) {
        const next = replies[i] as Outgoing
        if (run > 0 && !(this.#segments && next.to === to && next.bytes.length === size && fits(run + 1, size))) break
        packets.set(next.bytes, (first + run) * largestInBatch)
        vector.setSize(first + run, size)
      }
      names.set(to, messages * longestSockaddr)
      vector.setNameLength(messages, to.length)
      vector.message(messages, first, run)
      if (run > 1) controls.writeUInt16LE(size, messages * controlSize + 16)
      vector.control(messages, run > 1 ? (controlsAt[messages] as bigint) : 0n, run > 1 ? controlLength : 0)
      this.#runs[messages++] = run
    }
    return messages
  }
}

// Of as many bytes a send may be that is cut into datagrams; and nothing can't be cut.
function fits(run: number, size: number): boolean {
  return size > 0 && run * size <= largestSend
}

interface Memory {
  readonly vector: MessageVector
  readonly packets: Buffer
  readonly names: Buffer
  readonly controls: Buffer
  readonly controlsAt: readonly bigint[]
}

let made: Memory | undefined

// One for all: a call is over before the next is packed.
function memory(): Memory {
  made ??= makeMemory()
  return made
}

function makeMemory(): Memory {
  const vector = new MessageVector()
  const packets = Buffer.allocUnsafeSlow(vectorLength * largestInBatch)
  const names = Buffer.alloc(vectorLength * longestSockaddr)
  const controls = Buffer.alloc(vectorLength * controlSize)
  const start = addressOf(controls)
  for (let i = 0; i < vectorLength; i++) {
    vector.bytes(i, packets, i * largestInBatch, 0)
    vector.name(i, names, i * longestSockaddr, 0)
    // struct cmsghdr: its length, the level and the type; then the size of a segment.
    controls.writeBigUInt64LE(BigInt(controlLength), i * controlSize)
    controls.writeInt32LE(SOL_UDP, i * controlSize + 8)
    controls.writeInt32LE(UDP_SEGMENT, i * controlSize + 12)
  }
  return {
    vector,
    packets,
    names,
    controls,
    controlsAt: Array.from({ length: vectorLength }, (_, i) => start + BigInt(i * controlSize))
  }
}
