import { BlockList } from 'node:net'
import { show } from '../../arguments.ts'
import { formatIP, type IPAddress, isAfter, networkOf, parseIP } from './ip-address.ts'

/**
 * What an {@link AddressList} may hold: an address (`192.0.2.7`, `2001:db8::1`, `fe80::1%eth0`), a network
 * (`10.0.0.0/8`), a range with both its ends (`10.0.0.1-10.0.0.9`), `unix:` for every Unix peer, or a `net.BlockList`.
 *
 * An IPv4 address that is mapped into IPv6 is that IPv4 address, and rules of one IP are for that IP alone: `::/0` is every
 * IPv6 address. An address without a zone is that address in every zone. A `net.BlockList` is asked each time, by its own
 * rules.
 */
export type AddressEntry = string | BlockList

/** All that an {@link AddressList} is to hold: entries, or one `net.BlockList`; another list of addresses, for its entries. */
export type AddressEntries = Iterable<AddressEntry> | BlockList

/** An entry, understood. `key` is the same for two that say the same. */
export type Rule = { readonly key: string | BlockList } & (
  | { readonly kind: 'unix' }
  | { readonly kind: 'address' }
  | { readonly kind: 'network'; readonly network: IPAddress; readonly prefix: number }
  | { readonly kind: 'range'; readonly first: IPAddress; readonly last: IPAddress }
  | { readonly kind: 'list'; readonly list: BlockList }
)

/** The entry for those who call by a Unix socket. */
export const unixEntry = 'unix:'

const mappedBits = 96
const lengths = { 4: 32, 6: 128 }

/**
 * Understand an entry.
 *
 * @param entry - the entry
 * @throws a `TypeError` that says which it is and what is wrong with it
 */
export function ruleOf(entry: AddressEntry): Rule {
  if (entry instanceof BlockList) return { kind: 'list', key: entry, list: entry }
  if (typeof entry !== 'string') throw wrong(entry, 'it is neither a string nor a net.BlockList')
  if (entry === unixEntry) return { kind: 'unix', key: entry }
  if (entry.startsWith(unixEntry)) throw wrong(entry, `a Unix peer is ${unixEntry}, whatever its path`)
  if (entry.includes('/')) return network(entry)
  // A zone may hold one.
  if (entry.includes('-') && !entry.includes('%')) return range(entry)
  const ip = parseIP(entry)
  if (ip === undefined) throw wrong(entry, 'it is no numeric address, and names are not looked up')
  return { kind: 'address', key: addressKey(ip) }
}

/**
 * What two addresses share that are the same.
 *
 * @param ip - the address
 */
export function addressKey(ip: IPAddress): string {
  const text = formatIP(ip)
  return ip.version === 4 || ip.zone === undefined ? text : `${text}%${ip.zone}`
}

function network(entry: string): Rule {
  const slash = entry.indexOf('/')
  const [address, length] = [entry.slice(0, slash), entry.slice(slash + 1)]
  const ip = unzoned(entry, address)
  const isMapped = ip.version === 4 && address.includes(':')
  const shift = isMapped ? mappedBits : 0
  const longest = lengths[ip.version] + shift
  const prefix = Number(length) - shift
  if (!/^\d{1,3}$/.test(length) || prefix < 0 || prefix > lengths[ip.version]) {
    throw wrong(entry, `the length of its prefix must be from ${shift} to ${longest}`)
  }
  const start = networkOf(ip, prefix)
  if (isAfter(ip, start)) {
    const meant = `${formatIP(start)}/${prefix}`
    throw wrong(entry, `it is an address in a network: write ${meant}, or the address alone`)
  }
  return { kind: 'network', key: `${formatIP(start)}/${prefix}`, network: start, prefix }
}

function range(entry: string): Rule {
  const [from = '', to = '', ...rest] = entry.split('-')
  if (rest.length > 0) throw wrong(entry, 'a range has two ends')
  const [first, last] = [unzoned(entry, from), unzoned(entry, to)]
  if (first.version !== last.version) throw wrong(entry, 'one of its ends is IPv4 and the other one IPv6')
  if (isAfter(first, last)) throw wrong(entry, 'it ends before it begins')
  return { kind: 'range', key: `${formatIP(first)}-${formatIP(last)}`, first, last }
}

function unzoned(entry: string, text: string): IPAddress {
  const ip = parseIP(text)
  if (ip === undefined) throw wrong(entry, `${show(text)} is no numeric address`)
  if (text.includes('%')) throw wrong(entry, 'only an address alone may say its zone')
  return ip
}

function wrong(entry: unknown, why: string): TypeError {
  return new TypeError(`Cannot list the address ${show(entry)}: ${why}`)
}
