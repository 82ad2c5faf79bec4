import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from 'node:dgram'
import type { lookup } from 'node:dns'
import { isIP } from 'node:net'
import { type Address, formatAddress, internetAddress } from '../../address.ts'
import { ClosedError } from '../../errors.ts'
import { accepted } from '../../events.ts'
import { Channel } from '../../iterator/channel.ts'
import { quiet } from '../../iterator/turn.ts'
import type { RequestServer } from '../../request.ts'
import type { DropReason, Stats } from '../../stats.ts'
import type { Listener } from '../../transport.ts'
import { AcceptErrors } from '../accept-errors.ts'
import { listenError } from '../listen-error.ts'
import { closeOriginal, isIPv6, unfit } from '../native/inherited-socket.ts'
import { bindInherited } from './bind-inherited.ts'
import type { UDPListenerOptions } from './datagram-options.ts'
import { DatagramRequest } from './datagram-request.ts'
import { drop } from './drop.ts'
import { networkInterface } from './network-interface.ts'
import { udpWhere } from './udp-binding.ts'
import { notDelivered } from './undelivered.ts'

// dgram looks up the address of each datagram it sends: a numeric one needs no thread of the pool.
const numericFirst: typeof lookup = ((host: string, options: object, callback: (...result: unknown[]) => void) => {
  const family = isIP(host)
  if (family === 0) process.getBuiltinModule('node:dns').lookup(host, options, callback as never)
  else callback(null, host, family)
}) as never

/**
 * Datagrams by `node:dgram`, which receives all the time: what nobody takes waits here up to `maxPending`; past it a
 * datagram is dropped, counted and published.
 */
export class NodeDatagramListener implements Listener<DatagramRequest> {
  readonly #options: UDPListenerOptions
  readonly #owner: RequestServer
  readonly #stats: Stats
  readonly #socket: Socket
  readonly #channel: Channel<DatagramRequest>
  readonly #six: boolean
  // The copy by which it receives.
  #inherited: number | undefined
  readonly #errors: AcceptErrors
  #address: Address | undefined
  #received = 0
  #closing: Promise<void> | undefined
  #suspended = false
  #closed = false
  #released: Promise<void> | undefined

  /**
   * @param options - where and how
   * @param owner - the server whose requests they are
   * @param stats - where they are counted
   */
  constructor(options: UDPListenerOptions, owner: RequestServer, stats: Stats) {
    this.#options = options
    this.#errors = new AcceptErrors(owner)
    this.#owner = owner
    this.#stats = stats
    this.#channel = new Channel(options.limits)
    this.#six = options.fd === undefined ? isIP(options.host) === 6 : isIPv6(options.fd)
    const settings: SocketOptions & { reusePort?: boolean } = {
      type: this.#six ? 'udp6' : 'udp4',
      lookup: numericFirst
    }
    if (options.ipv6Only) settings.ipv6Only = true
    if (options.reusePort) settings.reusePort = true
    if (options.receiveBufferSize !== undefined) settings.recvBufferSize = options.receiveBufferSize
    if (options.sendBufferSize !== undefined) settings.sendBufferSize = options.sendBufferSize
    this.#socket = createSocket(settings)
    this.#socket.on('message', (packet, from) => this.#receive(packet, from))
  }

  get address(): Address | undefined {
    return this.#address
  }

  get waiting(): number {
    return this.#channel.size
  }

  async listen(): Promise<void> {
    const { host, port, fd } = this.#options
    const where = udpWhere(this.#options)
    const socket = this.#socket
    await new Promise<void>((resolve, reject) => {
      const closed = (): void => {
        void this.release()
        reject(new ClosedError(`Cannot listen on ${where}: it was closed meanwhile`))
      }
      if (this.#closing !== undefined) {
        closed()
        return
      }
      const failed = (error: NodeJS.ErrnoException): void => {
        this.#channel.end()
        void this.release()
        reject(listenError(where, error))
      }
      // It stays where the socket is closed: dgram still tells that the look-up failed, but not that it succeeded.
      socket.once('error', failed)
      socket.once('close', closed)
      const bound = (inherited?: number): void => {
        if (this.#closing !== undefined) {
          closed()
          return
        }
        try {
          this.#configure()
        } catch (error) {
          failed(error as NodeJS.ErrnoException)
          return
        }
        this.#inherited = inherited
        socket.off('error', failed)
        socket.off('close', closed)
        socket.on('error', (error) => this.#troubled(error))
        resolve()
      }
      if (fd === undefined) socket.bind({ address: host, port, exclusive: true }, () => bound())
      else {
        try {
          bindInherited(socket, fd, bound)
        } catch (error) {
          failed(error as NodeJS.ErrnoException)
        }
      }
    })
    const bound = socket.address()
    this.#address = internetAddress(bound.family, bound.address, bound.port)
  }

  accept(): Promise<DatagramRequest | undefined> {
    return this.#channel.take()
  }

  // What has come is in the kernel still, and is taken first. The socket stays open for the replies of those who are being
  // served.
  close(): Promise<void> {
    this.#closing ??= this.#shut()
    return this.#closing
  }

  release(): Promise<void> {
    this.#released ??= this.close().then(() => new Promise((resolve) => this.#socket.close(() => resolve())))
    return this.#released
  }

  discard(): void {
    this.#closed = true
    this.#channel.discard((request) => {
      this.#drop(request.clientAddress, request.packet.length, 'closing')
    })
  }

  suspend(): void {
    this.#suspended = true
  }

  resume(): void {
    this.#suspended = false
  }

  limitsChanged(): void {}

  fileno(): number | undefined {
    return undefined
  }

  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }

  async #shut(): Promise<void> {
    await quiet(() => this.#received, this.#options.limits.maxPending)
    this.#closed = true
    this.#channel.end()
    const { fd } = this.#options
    if (fd !== undefined && this.#inherited !== undefined) closeOriginal(fd, this.#inherited)
  }

  #configure(): void {
    const { broadcast, multicast, multicastInterface, multicastLoopback, multicastTTL } = this.#options
    const socket = this.#socket
    const { family, port } = socket.address()
    const six = family === 'IPv6'
    // Where there are system calls that was seen before.
    if (port === 0) throw unfit('EINVAL', 'it is not bound to an address')
    if (six !== this.#six) throw unfit('EAFNOSUPPORT', `it is an ${family} socket, of which Node must be told before`)
    const nodes = (by: string, asSix: boolean): string => {
      const { name, ipv4 } = networkInterface(by)
      return asSix ? `::%${name}` : (ipv4 ?? by)
    }
    if (broadcast) socket.setBroadcast(true)
    if (multicastTTL !== undefined) socket.setMulticastTTL(multicastTTL)
    if (multicastLoopback !== undefined) socket.setMulticastLoopback(multicastLoopback)
    if (multicastInterface !== undefined) socket.setMulticastInterface(nodes(multicastInterface, six))
    for (const { group, interface: by } of multicast) {
      // An IPv6 socket joins an IPv4 group as IPv4 does.
      try {
        socket.addMembership(group, by === undefined ? by : nodes(by, isIP(group) === 6))
      } catch (error) {
        // Whoever had it before has joined the group.
        if (this.#options.fd === undefined || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      }
    }
  }

  #receive(packet: Buffer, from: RemoteInfo): void {
    this.#received++
    const clientAddress = internetAddress(from.family, from.address, from.port)
    if (packet.length > this.#options.limits.maxPacketSize) this.#drop(clientAddress, packet.length, 'size')
    else if (this.#suspended && this.#closing === undefined) this.#drop(clientAddress, packet.length, 'suspended')
    else if (
      this.#channel.offer(new DatagramRequest(this.#owner, packet, clientAddress, (bytes) => this.#reply(bytes, from)))
    ) {
      this.#stats.accepted++
      this.#stats.bytesIn += packet.length
      if (accepted.hasSubscribers) accepted.publish({ server: this.#owner, clientAddress })
    } else this.#drop(clientAddress, packet.length, this.#closed ? 'closing' : 'pending')
  }

  #drop(clientAddress: Address | undefined, bytes: number, reason: DropReason): void {
    drop(this.#stats, { server: this.#owner, clientAddress, bytes, reason })
  }

  #reply(bytes: Buffer, to: RemoteInfo): Promise<void> {
    return new Promise((resolve, reject) => {
      // Those that libuv could not send at once.
      const waiting = this.#socket.getSendQueueCount?.() ?? 0
      if (waiting >= this.#options.limits.maxQueuedReplies) {
        const full = Object.assign(new Error(`${waiting} replies wait already to be sent`), { code: 'ENOBUFS' })
        reject(notDelivered(this.#owner, internetAddress(to.family, to.address, to.port), full))
        return
      }
      this.#socket.send(bytes, to.port, to.address, (error) => {
        if (error === null) {
          this.#stats.bytesOut += bytes.length
          resolve()
          return
        }
        reject(notDelivered(this.#owner, internetAddress(to.family, to.address, to.port), error))
      })
    })
  }

  #troubled(error: Error): void {
    const verdict = this.#errors.came(error)
    if (verdict === 'fatal') this.#channel.end(listenError(formatAddress(this.#address), error))
  }
}
