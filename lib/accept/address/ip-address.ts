import { isIP } from 'node:net'

/** A numeric address, as numbers. An IPv4 one that is mapped into IPv6 (`::ffff:10.0.0.1`) is an IPv4 one. */
export type IPAddress = IPv4Address | IPv6Address

interface IPv4Address {
  readonly version: 4
  /** Its 32 bits. */
  readonly number: number
}

interface IPv6Address {
  readonly version: 6
  /** Its eight groups of 16 bits. */
  readonly groups: readonly number[]
  /** The interface where it is found, of a link-local one: `eth0`. */
  readonly zone: string | undefined
}

const mappedGroup = 0xffff
const mappedAt = 5

/**
 * Read an address.
 *
 * @param text - numeric; an IPv6 one may say its zone
 * @returns `undefined` where it is none
 */
export function parseIP(text: string): IPAddress | undefined {
  const version = isIP(text)
  if (version === 4) return { version, number: fromDotted(text) }
  if (version !== 6) return undefined
  const at = text.indexOf('%')
  const groups = groupsOf(at === -1 ? text : text.slice(0, at))
  if (isMapped(groups)) return { version: 4, number: groups[6] * 65_536 + groups[7] }
  return { version, groups, zone: at === -1 ? undefined : text.slice(at + 1) }
}

/**
 * An address in the one form that is compared, without its zone.
 *
 * @param ip - the address
 */
export function formatIP(ip: IPAddress): string {
  if (ip.version === 6) return ip.groups.map((group) => group.toString(16)).join(':')
  const { number } = ip
  return `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`
}

/** Its numbers, most significant first, and how many bits each has. */
function words(ip: IPAddress): { numbers: readonly number[]; bits: number } {
  return ip.version === 4 ? { numbers: [ip.number], bits: 32 } : { numbers: ip.groups, bits: 16 }
}

/**
 * The network of an address: its first bits, and zeros.
 *
 * @param ip - the address
 * @param prefix - how many bits are the network's
 */
export function networkOf(ip: IPAddress, prefix: number): IPAddress {
  const { numbers, bits } = words(ip)
  const masked = numbers.map((number, i) => {
    const unused = 2 ** (bits - Math.max(0, Math.min(bits, prefix - i * bits)))
    return number - (number % unused)
  })
  return ip.version === 4
    ? { version: 4, number: masked[0] as number }
    : { version: 6, groups: masked, zone: undefined }
}

/** Whether the first of two addresses of one version comes after the second. */
export function isAfter(one: IPAddress, other: IPAddress): boolean {
  const theirs = words(other).numbers
  for (const [i, number] of words(one).numbers.entries()) {
    const difference = number - (theirs[i] as number)
    if (difference !== 0) return difference > 0
  }
  return false
}

function fromDotted(text: string): number {
  let number = 0
  for (const byte of text.split('.')) number = number * 256 + Number(byte)
  return number
}

function groupsOf(text: string): number[] {
  const [head = '', tail] = text.split('::')
  const before = wordsOf(head)
  if (tail === undefined) return before
  const after = wordsOf(tail)
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function wordsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((word) => {
    if (!word.includes('.')) return Number.parseInt(word, 16)
    const number = fromDotted(word)
    return [Math.floor(number / 65_536), number % 65_536]
  })
}

type Mapped = number[] & { 6: number; 7: number }

function isMapped(groups: number[]): groups is Mapped {
  return groups[mappedAt] === mappedGroup && groups.every((group, i) => i >= mappedAt || group === 0)
}
