import { formatIP, networkOf, parseIP } from './ip-address.ts'

/** How many bits of an address say whose it is. */
export interface Prefixes {
  /** Of an IPv4 address, 0 to 32. */
  readonly ipv4: number
  /** Of an IPv6 address, 0 to 128. */
  readonly ipv6: number
}

/**
 * What all addresses of a network share, and no others: a number for IPv4, a string for IPv6.
 *
 * @param host - a numeric address; its zone counts, as each link has addresses of its own
 * @param prefixes - the size of the network
 * @returns `undefined` where it is no address
 */
export function networkKey(host: string, { ipv4, ipv6 }: Prefixes): string | number | undefined {
  const ip = parseIP(host)
  if (ip === undefined) return undefined
  const network = networkOf(ip, ip.version === 4 ? ipv4 : ipv6)
  if (network.version === 4) return network.number
  return ip.version === 6 && ip.zone !== undefined ? `${formatIP(network)}%${ip.zone}` : formatIP(network)
}
