import { type Address, formatAddress } from '../../address.ts'
import { acceptError, accepted, limitReached } from '../../events.ts'
import type { RequestServer } from '../../request.ts'
import type { Stats } from '../../stats.ts'
import type { Listener } from '../../transport.ts'
import { listenError } from '../listen-error.ts'
import { boundAddress } from '../native/bind-socket.ts'
import { EAGAIN, libc } from '../native/libc.ts'
import { type NativeBinding, openBound } from '../native/native-binding.ts'
import { OnDemand, skipped } from '../native/on-demand.ts'
import { reactor } from '../native/reactor.ts'
import { decodeAddress, longestSockaddr } from '../native/sockaddr.ts'
import { setOption, socketOptions } from '../native/socket-options.ts'
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from '../native/socket-type.ts'
import { ProcessHold } from '../process-hold.ts'
import { countRefused } from '../request/count-refused.ts'
import { Occupancy } from './occupancy.ts'
import type { StreamContext } from './stream-context.ts'
import type { StreamListenerOptions } from './stream-options.ts'
import { StreamRequest } from './stream-request.ts'
import { turnAway } from './turn-away.ts'

const client = Buffer.alloc(longestSockaddr)
const clientLength = new Int32Array(1)

/**
 * Connections by libc, accepted on demand: what nobody asks for stays in the kernel's backlog, as in Python. A connection
 * is a bare descriptor until somebody reads it.
 */
export class NativeStreamListener implements Listener<StreamRequest> {
  readonly #binding: NativeBinding
  readonly #options: StreamListenerOptions
  readonly #context: StreamContext & { readonly occupancy: Occupancy }
  // Accepted at the close.
  readonly #last: StreamRequest[] = []
  #fd = -1
  readonly #hold = new ProcessHold()
  #intake: OnDemand<StreamRequest> | undefined
  #address: Address | undefined
  #suspended = false
  #toldFull = false
  #closed = false

  /**
   * @param binding - where it listens
   * @param options - how
   * @param owner - the server whose requests they are
   * @param stats - where they are counted
   */
  constructor(binding: NativeBinding, options: StreamListenerOptions, owner: RequestServer, stats: Stats) {
    this.#binding = binding
    this.#options = options
    const { limits, noDelay } = options
    const occupancy = new Occupancy(limits, () => {
      this.#toldFull = false
      this.#intake?.goOn()
    })
    this.#context = { server: owner, stats, limits, noDelay, occupancy }
  }

  get occupancy(): Occupancy {
    return this.#context.occupancy
  }

  get address(): Address | undefined {
    return this.#address
  }

  get waiting(): number {
    return this.#last.length
  }

  listen(): Promise<void> {
    return openBound(this.#binding, {
      // While there are descriptors: the first connection may take the last one.
      prepare: reactor,
      isClosed: () => this.#closed,
      opened: (fd) => this.#opened(fd),
      failed: () => {
        this.#closed = true
      }
    })
  }

  accept(): StreamRequest | undefined | Promise<StreamRequest | undefined> {
    return this.#closed ? this.#last.shift() : this.#intake?.next()
  }

  // Closing resets those who sit in the kernel's backlog, so they are accepted first; where others may have the socket
  // too, it is theirs to serve them.
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const intake = this.#intake
    if (intake === undefined) return
    intake.stop()
    try {
      this.#binding.leave(this.#fd)
      if (!this.#binding.isShared) intake.takeAll((request) => this.#last.push(request))
    } finally {
      // At once: whoever comes in between is reset.
      libc().close(this.#fd)
      this.#fd = -1
      intake.close(this.#last)
      this.#hold.end()
    }
  }

  release(): Promise<void> {
    return this.close()
  }

  discard(): void {
    for (const request of this.#last.splice(0)) turnAway(request, 'closing', this.#context)
  }

  suspend(): void {
    this.#suspended = true
  }

  resume(): void {
    this.#suspended = false
    this.#intake?.goOn()
  }

  limitsChanged(): void {
    this.#context.occupancy.look()
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
    this.#address = boundAddress(fd)
    this.#hold.begin()
    this.#intake = new OnDemand(fd, {
      take: () => this.#take(),
      isHeld: () => this.#suspended || this.#isFull,
      fatal: (error) => listenError(formatAddress(this.#address), error),
      troubled: (error, verdict) => {
        if (acceptError.hasSubscribers) acceptError.publish({ server: this.#context.server, error, verdict })
      }
    })
  }

  get #isFull(): boolean {
    const { occupancy, server, limits } = this.#context
    if (!occupancy.isFull) return false
    if (this.#toldFull) return true
    this.#toldFull = true
    if (!limitReached.hasSubscribers) return true
    limitReached.publish({ server, limit: 'maxConnections', value: limits.maxConnections, clientAddress: undefined })
    // Whoever was told may have raised it.
    return occupancy.isFull
  }

  #take(): StreamRequest | typeof skipped | undefined {
    clientLength[0] = longestSockaddr
    const fd = libc().accept4(this.#fd, client, clientLength, SOCK_NONBLOCK | SOCK_CLOEXEC)
    if (fd < 0) {
      if (libc().errno() === EAGAIN) return undefined
      throw libc().error('accept4')
    }
    const { keepAlive } = this.#options
    if (keepAlive !== undefined) probe(fd, keepAlive)
    const clientAddress = decodeAddress(client, clientLength[0])
    const { occupancy, server, stats } = this.#context
    const counted = this.#options.proxied === true ? undefined : occupancy.count(clientAddress)
    if (counted === false) {
      libc().close(fd)
      countRefused(stats, { server, clientAddress, reason: 'address' })
      return skipped
    }
    occupancy.enter()
    stats.accepted++
    if (accepted.hasSubscribers) accepted.publish({ server, clientAddress })
    return new StreamRequest(fd, clientAddress, this.#context, counted)
  }
}

function probe(fd: number, delay: number): void {
  try {
    setOption(fd, socketOptions.keepAlive, 1)
    if (delay >= 1_000) setOption(fd, socketOptions.keepAliveSeconds, Math.floor(delay / 1_000))
  } catch {
    // Its peer has gone: the first read tells.
  }
}
