import { count, integer, known, milliseconds, show } from '../../arguments.ts'
import type { AddressEntries } from '../address/address-entry.ts'
import { type AddressList, addressList } from '../address/address-list.ts'

/** How PROXY headers are read. */
export interface ProxyProtocolOptions {
  /**
   * Whose headers count: addresses, networks and ranges (`'10.0.0.0/8'`, `'::1'`), and `'unix:'` for whoever can connect to
   * a Unix socket, which its permissions say. A connection of anybody else is refused, since anybody can write a header. An
   * {@link AddressList} can be changed while it is in use.
   */
  readonly trust: AddressList | AddressEntries
  /** Milliseconds that a header may take: 3 seconds by default, in which TCP sends again what was lost; `Infinity` for no bound. */
  readonly timeout?: number
  /** The longest header of version 2, in bytes: 4,096 by default. One of version 1 has 107 at most. */
  readonly maxHeaderLength?: number
  /**
   * The most connections at once whose header is awaited: 8,192 by default; `Infinity` for no bound. At the bound the others
   * wait unread, and as soon as the oldest has had a second, the next one that comes takes its place.
   */
  readonly maxConcurrent?: number
}

/** The same, checked. */
export interface ProxyPlan {
  readonly trust: AddressList
  readonly timeout: number
  readonly maxHeaderLength: number
  readonly maxConcurrent: number
}

// The signature and its like, and two Unix addresses; and what the length can say.
const anyLength = { min: 232, max: 16 + 65_535 }

/**
 * Options of PROXY headers, checked.
 *
 * @param what - who takes them, for error messages
 * @param options - as they were given
 */
export function proxyPlan(what: string, options: ProxyProtocolOptions): ProxyPlan {
  known(what, options, ['trust', 'timeout', 'maxHeaderLength', 'maxConcurrent'])
  const given: unknown = options.trust
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`Option trust must be a list of addresses: got ${show(given)}`)
  }
  const trust = addressList(options.trust)
  if (trust.size === 0) throw new RangeError('Option trust is empty: nobody could connect')
  return {
    trust,
    timeout: milliseconds('timeout', options.timeout, 3_000, 1),
    maxHeaderLength: integer('maxHeaderLength', options.maxHeaderLength, 4_096, anyLength),
    maxConcurrent: count('maxConcurrent', options.maxConcurrent, 8_192)
  }
}

/**
 * The option `proxyProtocol` of a server, checked.
 *
 * @param options - as they were given, or not
 * @param isUnix - whether its peers come by a Unix socket
 */
export function proxyOption(options: ProxyProtocolOptions | undefined, isUnix: boolean): ProxyPlan | undefined {
  if (options === undefined) return undefined
  const plan = proxyPlan('proxyProtocol', options)
  if (Array.from(plan.trust).some((entry) => (entry === 'unix:') === isUnix)) return plan
  throw new TypeError(
    isUnix
      ? "Option trust must hold 'unix:' here: all peers come by a Unix socket"
      : 'Option trust must hold an IP address or a CIDR here: nobody comes by a Unix socket'
  )
}
