import { isIP } from 'node:net'
import { formatHost } from '../../address.ts'
import { numericHost } from '../address/numeric-host.ts'
import { bindSocket } from '../native/bind-socket.ts'
import { closeOriginal, describe, isIPv6 } from '../native/inherited-socket.ts'
import { libc } from '../native/libc.ts'
import { AF_INET, AF_INET6, encodeInternet } from '../native/sockaddr.ts'
import { setOption, socketOptions } from '../native/socket-options.ts'
import type { DatagramBinding } from './datagram-binding.ts'
import type { UDPListenerOptions } from './datagram-options.ts'
import { datagramSocket, inheritedDatagramSocket, refuseMore } from './datagram-socket.ts'
import { networkInterface } from './network-interface.ts'

const IPPROTO_IP = 0
const IPPROTO_IPV6 = 41

// The same five wishes, as either IP calls them.
const optionsOf = {
  4: { interface: [IPPROTO_IP, 32], ttl: [IPPROTO_IP, 33], loopback: [IPPROTO_IP, 34], join: [IPPROTO_IP, 35] },
  6: { interface: [IPPROTO_IPV6, 17], ttl: [IPPROTO_IPV6, 18], loopback: [IPPROTO_IPV6, 19], join: [IPPROTO_IPV6, 20] }
} as const

/** A UDP socket by libc. */
export class UDPBinding implements DatagramBinding {
  readonly where: string
  readonly isShared: boolean
  /** The length of an IP packet has 16 bits. */
  readonly largest = 65_535
  readonly peersFill = false
  readonly #options: UDPListenerOptions

  /** @param options - where and how */
  constructor(options: UDPListenerOptions) {
    this.#options = options
    this.where = udpWhere(options)
    this.isShared = options.fd !== undefined
  }

  async open(): Promise<number> {
    const { fd: inherited, host, port } = this.#options
    if (inherited !== undefined) return this.#inherit(inherited)
    const numeric = await numericHost(host, 4)
    const six = numeric.includes(':')
    return datagramSocket(six ? AF_INET6 : AF_INET, this.#options, (fd) => {
      const { reusePort } = this.#options
      if (reusePort) setOption(fd, socketOptions.reusePort, 1)
      if (six) setOption(fd, socketOptions.ipv6Only, this.#options.ipv6Only ? 1 : 0)
      bindSocket(fd, encodeInternet(numeric, port))
      this.#configure(fd, six ? 6 : 4)
    })
  }

  // There is no end to a flood otherwise.
  leave(fd: number): void {
    const { fd: original } = this.#options
    if (original === undefined) refuseMore(fd)
    else closeOriginal(original, fd)
  }

  #inherit(fd: number): number {
    return inheritedDatagramSocket(fd, 'UDP socket', this.#options, (copy) => {
      this.#configure(copy, isIPv6(copy) ? 6 : 4)
    })
  }

  #configure(fd: number, version: 4 | 6): void {
    if (this.#options.broadcast) setOption(fd, socketOptions.broadcast, 1)
    this.#joinGroups(fd, version)
  }

  #joinGroups(fd: number, version: 4 | 6): void {
    const { multicast, multicastInterface, multicastLoopback, multicastTTL } = this.#options
    const names = optionsOf[version]
    if (multicastTTL !== undefined) setOption(fd, names.ttl, multicastTTL)
    if (multicastLoopback !== undefined) setOption(fd, names.loopback, multicastLoopback ? 1 : 0)
    if (multicastInterface !== undefined) {
      const index = indexOf(multicastInterface)
      setOption(fd, names.interface, version === 6 ? index : membership4(undefined, index))
    }
    for (const { group, interface: by } of multicast) {
      const index = by === undefined ? 0 : indexOf(by)
      // An IPv6 socket joins an IPv4 group as IPv4 does.
      const six = isIP(group) === 6
      try {
        setOption(fd, optionsOf[six ? 6 : 4].join, six ? membership6(group, index) : membership4(group, index))
      } catch (error) {
        // Whoever had it before has joined the group.
        if (!this.isShared || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      }
    }
  }
}

/** As people write where a UDP server listens. */
export function udpWhere({ fd, host, port }: UDPListenerOptions): string {
  return fd === undefined ? `udp ${formatHost(host, port)}` : describe(fd)
}

function indexOf(given: string): number {
  return libc().if_nametoindex(networkInterface(given).name)
}

/** struct ip_mreqn: group, address of the interface, index of the interface. */
function membership4(group: string | undefined, index: number): Buffer {
  const bytes = Buffer.alloc(12)
  if (group !== undefined) writeGroup(AF_INET, group, bytes)
  bytes.writeInt32LE(index, 8)
  return bytes
}

/** struct ipv6_mreq: group, index of the interface. */
function membership6(group: string, index: number): Buffer {
  const bytes = Buffer.alloc(20)
  writeGroup(AF_INET6, group, bytes)
  bytes.writeInt32LE(index, 16)
  return bytes
}

function writeGroup(family: number, group: string, bytes: Buffer): void {
  if (libc().inet_pton(family, group, bytes) !== 1) {
    throw Object.assign(new Error(`${group} is no address of a group`), { code: 'EINVAL' })
  }
}
