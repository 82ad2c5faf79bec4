import type { Address } from '../address.ts'
import { known, show } from '../arguments.ts'
import type { StreamLimits } from '../limits.ts'

/** Where a memory server seems to be. */
export interface MemoryAddressOptions {
  /** What the server says of itself: the Unix path `memory` by default. There is nothing there. */
  readonly address?: Address
}

/** Options of {@link MemoryServer}. */
export interface MemoryServerOptions extends MemoryAddressOptions, Partial<StreamLimits> {}

/** Who a client of a memory server seems to be. */
export interface MemoryClientOptions {
  /** Its address: a Unix client's that has none, by default. */
  readonly clientAddress?: Address
}

export function addressOption({ address = { family: 'unix', path: 'memory' } }: MemoryAddressOptions): Address {
  return checkedAddress('address', address)
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
