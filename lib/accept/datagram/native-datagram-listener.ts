import { type Address, formatAddress } from '../../address.ts'
import { ClosedError } from '../../errors.ts'
import { acceptError, accepted } from '../../events.ts'
import type { DatagramLimits } from '../../limits.ts'
import type { Request, RequestServer } from '../../request.ts'
import type { DropReason, Stats } from '../../stats.ts'
import type { Listener } from '../../transport.ts'
import { listenError } from '../listen-error.ts'
import { boundAddress } from '../native/bind-socket.ts'
import { EAGAIN, libc } from '../native/libc.ts'
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC } from '../native/message-flags.ts'
import { openBound } from '../native/native-binding.ts'
import { OnDemand, skipped } from '../native/on-demand.ts'
import { decodeAddress, longestSockaddr } from '../native/sockaddr.ts'
import { ProcessHold } from '../process-hold.ts'
import { type MessageRequest, repliesLater } from '../request/message-request.ts'
import type { DatagramBinding } from './datagram-binding.ts'
import type { DatagramListenerOptions } from './datagram-options.ts'
import { DatagramRequest } from './datagram-request.ts'
import { drop } from './drop.ts'
import { type IncomingBatch, incomingBatch } from './incoming-batch.ts'
import { vectorLength } from './message-vector.ts'
import { Outbox, type Reply } from './outbox.ts'
import { largestInBatch, OutgoingBatch } from './outgoing-batch.ts'
import { notDelivered } from './undelivered.ts'

// Of the replies that wait: so much may wait for one peer.
const peersShare = 1 / 4
// So many find room at a Unix peer that reads (net.unix.max_dgram_qlen is 10): more would only come to wait. And a sender
// that waits for room here is let on by no more than that.
const peersRoom = 8

// One for all: a datagram is copied out before anything else happens.
let slab = Buffer.alloc(0)
const sender = Buffer.alloc(longestSockaddr)
const senderLength = new Int32Array(1)

/** Where a datagram comes from: in the kernel's form, and for people. */
interface Sender {
  readonly to: Buffer
  readonly clientAddress: Address
}

/**
 * Datagrams by libc, received on demand: what nobody asks for stays in the kernel's queue, and the kernel drops (or
 * makes Unix senders wait for) what does not fit there.
 */
export class NativeDatagramListener implements Listener<DatagramRequest> {
  readonly #binding: DatagramBinding
  readonly #limits: Readonly<DatagramLimits>
  readonly #owner: RequestServer
  readonly #stats: Stats
  readonly #outbox: Outbox
  readonly #hold = new ProcessHold()
  readonly #outgoing: OutgoingBatch
  // Taken out of the kernel with others, and not asked for yet.
  readonly #ahead: DatagramRequest[] = []
  // Taken out of the kernel at the close.
  readonly #last: DatagramRequest[] = []
  // Whether several are taken in this turn: then replies wait for each other.
  #together = false
  // Datagrams that are taken, and replies that are sent, by one call.
  readonly #most: number
  #size = 0
  #lastSender: Sender | undefined
  #fd = -1
  #intake: OnDemand<DatagramRequest> | undefined
  #address: Address | undefined
  #suspended = false
  #closed = false
  #released = false

  /**
   * @param binding - makes the socket
   * @param options - its bounds
   * @param owner - the server whose requests they are
   * @param stats - where they are counted
   */
  constructor(binding: DatagramBinding, { limits }: DatagramListenerOptions, owner: RequestServer, stats: Stats) {
    this.#binding = binding
    this.#limits = limits
    this.#owner = owner
    this.#stats = stats
    this.#outbox = new Outbox({
      send: (reply) => this.#send(reply),
      limits,
      share: binding.peersFill ? peersShare : 1
    })
    this.#most = binding.peersFill ? peersRoom : vectorLength
    this.#outgoing = new OutgoingBatch({
      fd: () => this.#fd,
      waiting: () => this.#outbox.size > 0,
      most: this.#most,
      segments: !binding.peersFill
    })
  }

  get address(): Address | undefined {
    return this.#address
  }

  get waiting(): number {
    return this.#ahead.length + this.#last.length
  }

  listen(): Promise<void> {
    return openBound(this.#binding, {
      isClosed: () => this.#closed,
      opened: (fd) => this.#opened(fd),
      failed: () => {
        this.#closed = true
      }
    })
  }

  accept(): DatagramRequest | undefined | Promise<DatagramRequest | undefined> {
    return this.#closed ? this.#last.shift() : this.#intake?.next()
  }

  // What has come is in the kernel still, and is taken first. The socket stays open for the replies of those who are being
  // served.
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#fd < 0) return
    try {
      this.#binding.leave(this.#fd)
    } finally {
      try {
        // Nobody else can serve what was taken with others.
        this.#last.push(...this.#ahead.splice(0))
        if (!this.#binding.isShared) this.#intake?.takeAll((request) => this.#last.push(request))
      } finally {
        this.#intake?.close(this.#last)
      }
    }
  }

  async release(): Promise<void> {
    await this.close()
    if (this.#released) return
    this.#released = true
    // Where no loop ran, what was taken at the close has nobody.
    this.discard()
    this.#outgoing.flushTurn()
    this.#outbox.close(new ClosedError('Cannot reply: the server was closed'))
    this.#hold.end()
    if (this.#fd >= 0) libc().close(this.#fd)
    this.#fd = -1
  }

  discard(): void {
    for (const { clientAddress, packet } of [...this.#ahead.splice(0), ...this.#last.splice(0)])
      this.#drop(clientAddress, packet.length, 'closing')
  }

  suspend(): void {
    this.#suspended = true
  }

  resume(): void {
    this.#suspended = false
    this.#intake?.goOn()
  }

  limitsChanged(): void {
    if (this.#fd >= 0) this.#makeRoom()
  }

  fileno(): number | undefined {
    return this.#fd >= 0 ? this.#fd : undefined
  }

  ref(): void {
    this.#hold.ref()
  }

  unref(): void {
    this.#hold.unref()
  }

  #opened(fd: number): void {
    this.#fd = fd
    this.#intake = new OnDemand(fd, {
      take: (likely) => this.#take(likely),
      // What was taken with others is in already.
      isHeld: () => this.#suspended && this.#ahead.length === 0,
      fatal: (error) => listenError(formatAddress(this.#address), error),
      troubled: (error, verdict) => {
        if (acceptError.hasSubscribers) acceptError.publish({ server: this.#owner, error, verdict })
      }
    })
    this.#address = boundAddress(fd)
    this.#makeRoom()
    this.#hold.begin()
  }

  /** For the largest datagram, and a byte that tells of a larger one. */
  #makeRoom(): void {
    const size = Math.min(this.#binding.largest, this.#limits.maxPacketSize) + 1
    if (slab.length < size) slab = Buffer.allocUnsafeSlow(size)
    this.#size = size
  }

  #drop(clientAddress: Address | undefined, bytes: number, reason: DropReason): void {
    drop(this.#stats, { server: this.#owner, clientAddress, bytes, reason })
  }

  /** The next datagram. */
  #take(likely: number): DatagramRequest | typeof skipped | undefined {
    const ahead = this.#ahead.shift()
    if (ahead !== undefined) return ahead
    this.#together = likely > 1 && canBatch()
    if (this.#together) return this.#takeMany(Math.min(likely, this.#most, this.#limits.maxPending))
    const { errno, error, recvfrom } = libc()
    senderLength[0] = longestSockaddr
    const size = recvfrom(this.#fd, slab, slab.length, MSG_DONTWAIT | MSG_TRUNC, sender, senderLength)
    if (size < 0) {
      if (errno() === EAGAIN) return undefined
      throw error('recvfrom')
    }
    return this.#arrived(size, slab, sender, 0, senderLength[0]) ?? skipped
  }

  /** The next, with others that are likely to be asked for soon. */
  #takeMany(likely: number): DatagramRequest | typeof skipped | undefined {
    const batch: IncomingBatch = incomingBatch(this.#size)
    const count = batch.receive(this.#fd, likely)
    if (count < 0) {
      if (libc().errno() === EAGAIN) return undefined
      throw libc().error('recvmmsg')
    }
    for (let n = 0; n < count; n++) {
      const request = this.#arrived(
        batch.sizeOf(n),
        batch.packet(n),
        batch.names,
        batch.nameStart(n),
        batch.nameLength(n)
      )
      if (request !== undefined) this.#ahead.push(request)
    }
    return this.#ahead.shift() ?? skipped
  }

  /** The request of a datagram of so many bytes, `undefined` where it was dropped; who sent it stands among the names. */
  #arrived(size: number, bytes: Buffer, names: Buffer, at: number, length: number): DatagramRequest | undefined {
    const tooLarge = size > this.#limits.maxPacketSize || size > bytes.length
    const { to, clientAddress } = this.#whoSent(names, at, length)
    if (tooLarge || this.waiting >= this.#limits.maxPending) {
      this.#drop(clientAddress, size, tooLarge ? 'size' : 'pending')
      return undefined
    }
    const packet = Buffer.from(bytes.length === size ? bytes : bytes.subarray(0, size))
    this.#stats.accepted++
    this.#stats.bytesIn += size
    if (accepted.hasSubscribers) accepted.publish({ server: this.#owner, clientAddress })
    const reply = (answer: Buffer, request: MessageRequest): unknown => this.#reply(answer, to, request)
    return new DatagramRequest(this.#owner, packet, clientAddress, reply, this.#binding.peersFill)
  }

  /** Who has sent it: most often the same as before, whose address is not made anew. */
  #whoSent(names: Buffer, at: number, length: number): Sender {
    if (this.#lastSender?.to.length !== length || !hasAt(names, at, this.#lastSender.to)) {
      const to = Buffer.from(names.subarray(at, at + length))
      this.#lastSender = { to, clientAddress: decodeAddress(to, length) }
    }
    return this.#lastSender
  }

  #reply(bytes: Buffer, to: Buffer, request: MessageRequest): unknown {
    const together = this.#outgoing.size > 0 || this.#together
    if (!together || bytes.length > largestInBatch || isUnnamed(to)) {
      // Those before it stay before it.
      this.#outgoing.flushTurn()
      return this.#replyAlone(bytes, to, request)
    }
    this.#outgoing.add({
      bytes,
      to,
      left: () => {
        this.#stats.bytesOut += bytes.length
        request.replied()
      },
      refused: () => {
        try {
          const waiting = this.#replyAlone(bytes, to, request)
          if (waiting === undefined) request.replied()
          else request.waitsFor(waiting)
        } catch (error) {
          request.replied(error)
        }
      }
    })
    return repliesLater
  }

  #replyAlone(bytes: Buffer, to: Buffer, request: Request): void | Promise<void> {
    const failed = (error: unknown): never => {
      // It has been told already.
      if (this.#binding.peersFill && request.abortReason !== undefined) throw error
      throw notDelivered(this.#owner, request.clientAddress, error as Error)
    }
    try {
      return this.#outbox.send({ bytes, to, cutOff: () => request.abortReason !== undefined })?.catch(failed)
    } catch (error) {
      return failed(error)
    }
  }

  /** Whether it has left; throws where it can't. */
  #send({ bytes, to }: Reply): boolean {
    const { sendto, error } = libc()
    for (;;) {
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL
      const unnamed = isUnnamed(to)
      if (!unnamed && sendto(this.#fd, bytes, bytes.length, flags, to, to.length) >= 0) break
      const failure = unnamed ? Object.assign(new Error('no address'), { code: 'EDESTADDRREQ' }) : error('sendto')
      if (failure.code === 'EAGAIN' || failure.code === 'ENOBUFS') return false
      if (failure.code !== 'EINTR') throw failure
    }
    this.#stats.bytesOut += bytes.length
    return true
  }
}

// An unbound Unix sender has no address.
function isUnnamed(to: Buffer): boolean {
  return to.length <= 2
}

// The structs of the calls that take many are known for 64-bit machines.
function canBatch(): boolean {
  return libc().pointerSize === 8
}

// From the end: what differs is the port, or the last of a path.
function hasAt(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let i = wanted.length - 1; i >= 0; i--) if (bytes[at + i] !== wanted[i]) return false
  return true
}
