import type { Address } from '../address.ts'
import { known, show } from '../arguments.ts'
import { type PendingOptions, pendingOption } from '../server/options.ts'
import type { MemoryListenerOptions } from './memory-listener.ts'

/** Options of {@link MemoryServer}. */
export interface MemoryServerOptions extends PendingOptions {
  /** What the server says of itself: the Unix path `memory` by default. There is nothing there. */
  readonly address?: Address
}

/** Who a client of a memory server seems to be. */
export interface MemoryClientOptions {
  /** Its address: a Unix client's that has none, by default. */
  readonly clientAddress?: Address
}

/** The names of {@link MemoryServerOptions}. */
export const memoryNames = ['maxPending', 'address']

export function memoryOptions(options: MemoryServerOptions): MemoryListenerOptions {
  const { address = { family: 'unix', path: 'memory' } } = options
  return { address: checkedAddress('address', address), maxPending: pendingOption(options) }
}

export function clientAddressOption(what: string, options: MemoryClientOptions): Address {
  known(what, options, ['clientAddress'])
  return checkedAddress('clientAddress', options.clientAddress ?? { family: 'unix', path: '' })
}

function checkedAddress(name: string, address: Address): Address {
  if (!['IPv4', 'IPv6', 'unix'].includes(address?.family)) {
    throw new TypeError(`Option ${name} must be an address, such as { family: 'unix', path: '' }: got ${show(address)}`)
  }
  return address
}
