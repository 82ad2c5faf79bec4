import { isIP } from 'node:net'
import type { DatagramLimits } from '../../limits.ts'

/** How datagrams are received, by every listener: checked by the server. */
export interface DatagramListenerOptions {
  /** The limits, which may change while it listens. */
  readonly limits: Readonly<DatagramLimits>
  /** SO_RCVBUF; `undefined` for the system's. */
  readonly receiveBufferSize: number | undefined
  /** SO_SNDBUF; `undefined` for the system's. */
  readonly sendBufferSize: number | undefined
}

/** A group to receive from, and by which interface. */
export interface MulticastGroup {
  /** Its address: `239.1.2.3`, `ff02::123`. One of IPv6 needs an IPv6 `host`; one of IPv4 may be joined on `::` too. */
  readonly group: string
  /** The interface, by its name or an address of it; the system's choice by default. */
  readonly interface?: string
}

/** Where a UDP listener listens, and how: checked by the server. */
export interface UDPListenerOptions extends DatagramListenerOptions {
  /** A socket that was made elsewhere and is bound, in place of all that says where to listen. */
  readonly fd: number | undefined
  /** A name or a numeric address. */
  readonly host: string
  /** 0 for one that is free. */
  readonly port: number
  /** Don't take IPv4 on an IPv6 address. */
  readonly ipv6Only: boolean
  /** Let several sockets share the address. */
  readonly reusePort: boolean
  /** Allow replies to a broadcast address. */
  readonly broadcast: boolean
  /** Groups to receive from. */
  readonly multicast: readonly MulticastGroup[]
  /** Hops that what is sent to a group may take; `undefined` for the system's, which is 1. */
  readonly multicastTTL: number | undefined
  /** Whether what is sent to a group comes back to this machine; `undefined` for the system's, which is yes. */
  readonly multicastLoopback: boolean | undefined
  /** By which interface what is sent to a group leaves. */
  readonly multicastInterface: string | undefined
}

/** A Unix datagram socket that was made elsewhere. */
export interface InheritedDatagramOptions extends DatagramListenerOptions {
  /** It is bound. */
  readonly fd: number
}

/** Which IP an address is of; `undefined` for a name, and whatever else is no numeric address. */
export function versionOf(given: unknown): 4 | 6 | undefined {
  const version = typeof given === 'string' ? isIP(given) : 0
  return version === 0 ? undefined : (version as 4 | 6)
}

/** Whether a numeric address is one of multicast, and says no interface. */
export function isGroup(address: string): boolean {
  if (versionOf(address) === 6) return /^ff[0-9a-f]{2}:[^%]*$/i.test(address)
  const first = Number.parseInt(address, 10)
  return first >= 224 && first <= 239
}
