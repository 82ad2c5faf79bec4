import { type Address, formatAddress } from '../../address.ts'
import { ClosedError } from '../../errors.ts'
import { acceptError, accepted, dropped } from '../../events.ts'
import { type Deferred, deferred } from '../../iterator/deferred.ts'
import type { Request, RequestServer } from '../../request.ts'
import type { Stats } from '../../stats.ts'
import type { Listener } from '../../transport.ts'
import { listenError } from '../listen-error.ts'
import { libc } from '../native/libc.ts'
import { ProcessHold } from '../native/process-hold.ts'
import { Readiness } from '../native/readiness.ts'
import { decodeAddress, longestSockaddr } from '../native/sockaddr.ts'
import { triage } from '../triage.ts'
import type { DatagramBinding } from './datagram-binding.ts'
import type { DatagramLimits } from './datagram-options.ts'
import { DatagramRequest } from './datagram-request.ts'
import { Outbox, type Reply } from './outbox.ts'
import { notDelivered } from './undelivered.ts'

const MSG_DONTWAIT = 0x40
const MSG_TRUNC = 0x20
const MSG_NOSIGNAL = 0x4000

// So many in one turn of the loop; then timers and other sockets have theirs.
const burst = 64
// Of the replies that wait: so much may wait for one peer.
const peersShare = 1 / 4
// Milliseconds; trying again at once only spins.
const whenShort = 100

// One for all: a datagram is copied out before anything else happens.
let slab = Buffer.alloc(0)
const sender = Buffer.alloc(longestSockaddr)
const senderLength = new Int32Array(1)

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
  #fd = -1
  #readiness: Readiness | undefined
  #address: Address | undefined
  #parked: Deferred<DatagramRequest | undefined> | undefined
  #taken = 0
  #short = false
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
    this.#readiness = new Readiness(fd, () => this.#wake())
    const length = new Int32Array([longestSockaddr])
    libc().getsockname(fd, sender, length)
    this.#address = decodeAddress(sender, length[0] as number)
    const size = Math.min(this.#binding.largest, this.#limits.maxPacketSize) + 1
    if (slab.length < size) slab = Buffer.allocUnsafeSlow(size)
    this.#hold.begin()
  }

  accept(): DatagramRequest | undefined | Promise<DatagramRequest | undefined> {
    if (this.#closed) return this.#last.shift()
    if (this.#taken < burst) {
      const request = this.#receive()
      if (request !== undefined) return request
    }
    this.#parked = deferred<DatagramRequest | undefined>()
    this.#later()
    return this.#parked.promise
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
        this.#takeLast()
      } finally {
        this.#readiness?.close()
        this.#unpark(this.#parked === undefined ? undefined : this.#last.shift())
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
    for (const { clientAddress, packet } of this.#last.splice(0)) this.#drop(clientAddress, packet.length, 'closing')
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

  #wake(): void {
    this.#taken = 0
    this.#short = false
    if (this.#parked === undefined || this.#closed) return
    try {
      const request = this.#receive()
      if (request === undefined) this.#later()
      else this.#unpark(request)
    } catch (error) {
      const parked = this.#parked
      this.#parked = undefined
      parked.reject(error)
    }
  }

  #later(): void {
    if (this.#short) setTimeout(() => this.#wake(), whenShort).unref()
    else if (this.#taken < burst) this.#readiness?.wait()
    else setImmediate(() => this.#wake())
  }

  #unpark(request: DatagramRequest | undefined): void {
    const parked = this.#parked
    this.#parked = undefined
    parked?.resolve(request)
  }

  #receive(): DatagramRequest | undefined {
    const size = this.#take()
    return size === undefined ? undefined : this.#made(size)
  }

  /**
   * The next datagram that is not too large is in the slab, and its sender in `sender`.
   *
   * @returns its size; `undefined` where none is there, or the turn has had its share
   */
  #take(): number | undefined {
    const { recvfrom } = libc()
    while (this.#taken++ < burst) {
      senderLength[0] = longestSockaddr
      const size = recvfrom(this.#fd, slab, slab.length, MSG_DONTWAIT | MSG_TRUNC, sender, senderLength)
      if (size < 0) {
        if (!this.#goesOn(libc().error('recvfrom'))) {
          this.#taken--
          return undefined
        }
      } else if (size > this.#limits.maxPacketSize || size > slab.length) {
        this.#drop(decodeAddress(sender, senderLength[0]), size, 'size')
      } else return size
    }
    return undefined
  }

  #made(size: number): DatagramRequest {
    const to = Buffer.from(sender.subarray(0, senderLength[0]))
    const clientAddress = decodeAddress(to, to.length)
    const packet = Buffer.from(slab.subarray(0, size))
    this.#stats.accepted++
    this.#stats.bytesIn += size
    if (accepted.hasSubscribers) accepted.publish({ clientAddress })
    const reply = (bytes: Buffer, request: Request): unknown => this.#reply(bytes, to, request)
    return new DatagramRequest(this.#owner, packet, clientAddress, reply, this.#binding.peersFill)
  }

  /** Whether to try again at once. Throws where the socket is dead. */
  #goesOn(error: NodeJS.ErrnoException): boolean {
    if (error.code === 'EAGAIN') return false
    if (error.code === 'EINTR') return true
    const verdict = triage(error)
    if (acceptError.hasSubscribers) acceptError.publish({ error, verdict })
    if (verdict === 'fatal') throw listenError(formatAddress(this.#address), error)
    this.#short = verdict === 'wait'
    return verdict === 'skip'
  }

  // Nothing more comes, so there is an end to it.
  #takeLast(): void {
    this.#taken = Number.NEGATIVE_INFINITY
    for (let size = this.#take(); size !== undefined; size = this.#take()) {
      if (this.#last.length < this.#limits.maxPending) this.#last.push(this.#made(size))
      else this.#drop(decodeAddress(sender, senderLength[0] as number), size, 'pending')
    }
  }

  #drop(clientAddress: Address | undefined, bytes: number, reason: 'size' | 'pending' | 'closing'): void {
    this.#stats.dropped++
    if (dropped.hasSubscribers) dropped.publish({ clientAddress, bytes, reason })
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
