import { createServer, type Server, type Socket } from 'node:net'
import { type Address, formatAddress, internetAddress } from '../../address.ts'
import { ClosedError } from '../../errors.ts'
import { accepted } from '../../events.ts'
import { Channel } from '../../iterator/channel.ts'
import { quiet } from '../../iterator/turn.ts'
import type { RequestServer } from '../../request.ts'
import type { Stats } from '../../stats.ts'
import type { Listener } from '../../transport.ts'
import { AcceptErrors } from '../accept-errors.ts'
import { listenError } from '../listen-error.ts'
import { Occupancy } from './occupancy.ts'
import type { StreamBinding } from './stream-binding.ts'
import type { StreamContext } from './stream-context.ts'
import type { StreamListenerOptions } from './stream-options.ts'
import { StreamRequest } from './stream-request.ts'
import { type TurnedAway, turnAway } from './turn-away.ts'

/**
 * Connections by `node:net`, which accepts everything at once and cannot be paused: what nobody takes waits here, paused
 * and unread, up to `maxPending`; past it a connection is closed, counted and published.
 */
export class NodeStreamListener implements Listener<StreamRequest> {
  readonly #binding: StreamBinding
  readonly #options: StreamListenerOptions
  readonly #context: StreamContext & { readonly occupancy: Occupancy }
  readonly #server: Server
  readonly #channel: Channel<StreamRequest>
  readonly #errors: AcceptErrors
  #address: Address | undefined
  #arrived = 0
  #bound = false
  #suspended = false
  #closing: Promise<void> | undefined

  /**
   * @param binding - where it listens
   * @param options - how
   * @param owner - the server whose requests they are
   * @param stats - where they are counted
   */
  constructor(binding: StreamBinding, options: StreamListenerOptions, owner: RequestServer, stats: Stats) {
    this.#binding = binding
    this.#options = options
    const { limits, noDelay } = options
    const occupancy = new Occupancy(limits, () => {})
    this.#errors = new AcceptErrors(owner)
    this.#context = { server: owner, stats, limits, noDelay, occupancy }
    this.#channel = new Channel(limits)
    this.#server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      keepAlive: options.keepAlive !== undefined,
      keepAliveInitialDelay: options.keepAlive ?? 0
    })
    this.#server.on('connection', (socket) => this.#connected(socket))
  }

  get occupancy(): Occupancy {
    return this.#context.occupancy
  }

  get address(): Address | undefined {
    return this.#address
  }

  get waiting(): number {
    return this.#channel.size
  }

  async listen(): Promise<void> {
    const binding = this.#binding
    let bound: Address | undefined
    try {
      bound = await binding.open(this.#server)
    } catch (error) {
      this.#channel.end()
      if (this.#server.listening) this.#server.close()
      throw listenError(binding.where, error as NodeJS.ErrnoException)
    }
    this.#server.on('error', (error) => this.#troubled(error))
    this.#bound = true
    if (this.#closing !== undefined) {
      await this.#shut()
      throw new ClosedError(`Cannot listen on ${binding.where}: it was closed meanwhile`)
    }
    this.#address = bound ?? addressOf(this.#server)
  }

  accept(): Promise<StreamRequest | undefined> {
    return this.#channel.take()
  }

  close(): Promise<void> {
    this.#closing ??= this.#shut()
    return this.#closing
  }

  release(): Promise<void> {
    return this.close()
  }

  discard(): void {
    this.#channel.discard((request) => this.#refuse(request, 'closing'))
  }

  suspend(): void {
    this.#suspended = true
  }

  resume(): void {
    this.#suspended = false
  }

  limitsChanged(): void {}

  fileno(): number | undefined {
    const handle = (this.#server as Server & { _handle?: { fd?: number } | null })._handle
    return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined
  }

  ref(): void {
    this.#server.ref()
  }

  unref(): void {
    this.#server.unref()
  }

  #connected(socket: Socket): void {
    this.#arrived++
    const { occupancy, server, stats } = this.#context
    const clientAddress = this.#addressOf(socket)
    const { isFull } = occupancy
    const counted = isFull || this.#options.proxied === true ? undefined : occupancy.count(clientAddress)
    occupancy.enter()
    const request = new StreamRequest(socket, clientAddress, this.#context, counted === false ? undefined : counted)
    const isClosing = this.#closing !== undefined
    if (this.#suspended && !isClosing) this.#refuse(request, 'suspended')
    else if (isFull && !isClosing) this.#refuse(request, 'connections')
    else if (counted === false) this.#refuse(request, 'address')
    else if (this.#channel.offer(request)) {
      stats.accepted++
      if (accepted.hasSubscribers) accepted.publish({ server, clientAddress })
    } else this.#refuse(request, isClosing ? 'closing' : 'pending')
  }

  // A TCP peer that has reset already has no address any more.
  #addressOf({ remoteAddress, remotePort, remoteFamily }: Socket): Address | undefined {
    const { clientAddress } = this.#binding
    if (clientAddress !== undefined) return clientAddress
    if (remoteAddress === undefined || remotePort === undefined) return undefined
    return internetAddress(remoteFamily, remoteAddress, remotePort)
  }

  #refuse(request: StreamRequest, reason: TurnedAway): void {
    turnAway(request, reason, this.#context)
  }

  #troubled(error: Error): void {
    const verdict = this.#errors.came(error)
    if (verdict !== 'fatal') return
    this.#channel.end(listenError(formatAddress(this.#address), error))
    void this.close()
  }

  // Closing resets those who sit in the kernel's backlog, so they are accepted first: libuv takes one a turn of the loop.
  // Whoever comes meanwhile is taken too, but not for ever.
  #emptyBacklog(): Promise<void> {
    return quiet(() => this.#arrived, this.#options.backlog)
  }

  async #shut(): Promise<void> {
    // Where it is only on its way, `listen()` ends what it has begun.
    if (this.#bound) {
      this.#binding.leave()
      // Where others may have the socket too, it is theirs to serve them.
      if (!this.#binding.isShared) await this.#emptyBacklog()
      // Its 'close' comes only after the last connection has gone; the descriptor is given back at once.
      this.#server.close()
    }
    this.#channel.end()
  }
}

function addressOf(server: Server): Address | undefined {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') return undefined
  return internetAddress(bound.family, bound.address, bound.port)
}
