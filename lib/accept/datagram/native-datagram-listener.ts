import { type Address, formatAddress } from '../../address.ts'
import { ClosedError } from '../../errors.ts'
import { accepted } from '../../events.ts'
import type { Request, RequestServer } from '../../request.ts'
import type { Stats } from '../../stats.ts'
import type { Listener } from '../../transport.ts'
import { listenError } from '../listen-error.ts'
import { boundAddress } from '../native/bind-socket.ts'
import { EAGAIN, libc } from '../native/libc.ts'
import { OnDemand, skipped } from '../native/on-demand.ts'
import { decodeAddress, longestSockaddr } from '../native/sockaddr.ts'
import { ProcessHold } from '../process-hold.ts'
import type { DatagramBinding } from './datagram-binding.ts'
import type { DatagramLimits } from './datagram-options.ts'
import { DatagramRequest } from './datagram-request.ts'
import { drop } from './drop.ts'
import { Outbox, type Reply } from './outbox.ts'
import { notDelivered } from './undelivered.ts'

const MSG_DONTWAIT = 0x40
const MSG_TRUNC = 0x20
const MSG_NOSIGNAL = 0x4000

// Of the replies that wait: so much may wait for one peer.
const peersShare = 1 / 4

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
  readonly #limits: DatagramLimits
  readonly #owner: RequestServer
  readonly #stats: Stats
  readonly #outbox: Outbox
  readonly #hold = new ProcessHold()
  // Taken out of the kernel at the close.
  readonly #last: DatagramRequest[] = []
  #lastSender: Sender | undefined
  #fd = -1
  #intake: OnDemand<DatagramRequest> | undefined
  #address: Address | undefined
  #closed = false
  #released = false

  /**
   * @param binding - makes the socket
   * @param limits - its bounds
   * @param owner - the server whose requests they are
   * @param stats - where they are counted
   */
  constructor(binding: DatagramBinding, limits: DatagramLimits, owner: RequestServer, stats: Stats) {
    this.#binding = binding
    this.#limits = limits
    this.#owner = owner
    this.#stats = stats
    this.#outbox = new Outbox({
      send: (reply) => this.#send(reply),
      limit: limits.maxQueuedReplies,
      share: binding.peersFill ? Math.ceil(limits.maxQueuedReplies * peersShare) : limits.maxQueuedReplies,
      timeout: limits.sendTimeout
    })
  }

  get address(): Address | undefined {
    return this.#address
  }

  get waiting(): number {
    return this.#last.length
  }

  async listen(): Promise<void> {
    let fd: number
    try {
      fd = await this.#binding.open()
    } catch (error) {
      this.#closed = true
      throw listenError(this.#binding.where, error as NodeJS.ErrnoException)
    }
    if (this.#closed) {
      try {
        this.#binding.leave(fd)
      } finally {
        libc().close(fd)
      }
      throw new ClosedError(`Cannot listen on ${this.#binding.where}: it was closed meanwhile`)
    }
    this.#fd = fd
    this.#intake = new OnDemand(fd, {
      take: () => this.#take(),
      fatal: (error) => listenError(formatAddress(this.#address), error)
    })
    this.#address = boundAddress(fd)
    const size = Math.min(this.#binding.largest, this.#limits.maxPacketSize) + 1
    if (slab.length < size) slab = Buffer.allocUnsafeSlow(size)
    this.#hold.begin()
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
        this.#intake?.takeAll((request) => this.#last.push(request))
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
    this.#outbox.close(new ClosedError('Cannot reply: the server was closed'))
    this.#hold.end()
    if (this.#fd >= 0) libc().close(this.#fd)
    this.#fd = -1
  }

  discard(): void {
    for (const { clientAddress, packet } of this.#last.splice(0))
      drop(this.#stats, clientAddress, packet.length, 'closing')
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

  /** The next datagram. */
  #take(): DatagramRequest | typeof skipped | undefined {
    const { errno, error, recvfrom } = libc()
    senderLength[0] = longestSockaddr
    const size = recvfrom(this.#fd, slab, slab.length, MSG_DONTWAIT | MSG_TRUNC, sender, senderLength)
    if (size < 0) {
      if (errno() === EAGAIN) return undefined
      throw error('recvfrom')
    }
    const tooLarge = size > this.#limits.maxPacketSize || size > slab.length
    if (!tooLarge && this.#last.length < this.#limits.maxPending) return this.#made(size)
    drop(this.#stats, decodeAddress(sender, senderLength[0]), size, tooLarge ? 'size' : 'pending')
    return skipped
  }

  #made(size: number): DatagramRequest {
    const { to, clientAddress } = this.#whoSent()
    const packet = Buffer.from(slab.subarray(0, size))
    this.#stats.accepted++
    this.#stats.bytesIn += size
    if (accepted.hasSubscribers) accepted.publish({ clientAddress })
    const reply = (bytes: Buffer, request: Request): unknown => this.#reply(bytes, to, request)
    return new DatagramRequest(this.#owner, packet, clientAddress, reply, this.#binding.peersFill)
  }

  /** Who has sent what is in the slab: most often the same as before, whose address is not made anew. */
  #whoSent(): Sender {
    const length = senderLength[0] as number
    if (this.#lastSender?.to.length !== length || !startsWith(sender, this.#lastSender.to)) {
      const to = Buffer.from(sender.subarray(0, length))
      this.#lastSender = { to, clientAddress: decodeAddress(to, length) }
    }
    return this.#lastSender
  }

  #reply(bytes: Buffer, to: Buffer, request: Request): void | Promise<void> {
    const failed = (error: unknown): never => {
      // It has been told already.
      if (this.#binding.peersFill && request.abortReason !== undefined) throw error
      throw notDelivered(request.clientAddress, error as Error)
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
      // An unbound Unix sender has no address.
      const unnamed = to.length <= 2
      if (!unnamed && sendto(this.#fd, bytes, bytes.length, flags, to, to.length) >= 0) break
      const failure = unnamed ? Object.assign(new Error('no address'), { code: 'EDESTADDRREQ' }) : error('sendto')
      if (failure.code === 'EAGAIN' || failure.code === 'ENOBUFS') return false
      if (failure.code !== 'EINTR') throw failure
    }
    this.#stats.bytesOut += bytes.length
    return true
  }
}

// From the end: what differs is the port, or the last of a path.
function startsWith(bytes: Buffer, start: Buffer): boolean {
  for (let i = start.length - 1; i >= 0; i--) if (bytes[i] !== start[i]) return false
  return true
}
