import { BlockList } from 'node:net'
import type { Address } from '../../address.ts'
import { show } from '../../arguments.ts'
import { type AddressEntries, type AddressEntry, addressKey, type Rule, ruleOf, unixEntry } from './address-entry.ts'
import { formatIP, parseIP } from './ip-address.ts'

interface Understood {
  readonly entry: AddressEntry
  readonly rule: Rule
}

const families = { 4: 'ipv4', 6: 'ipv6' } as const

/**
 * Addresses, networks and ranges, to be asked whether an address is among them; it can be changed while it is in use, and
 * several may share it.
 *
 * Resources: what it holds; the program bounds that. Single addresses cost the same however many they are; networks,
 * ranges and lists are tried one after the other.
 * Errors: a `TypeError` for a wrong entry, which names it; the list is then as it was.
 *
 * @example
 * const banned = new AddressList(['192.0.2.0/24', '2001:db8::1-2001:db8::ff'])
 * assert.equal(banned.has('192.0.2.7'), true)
 * assert.equal(banned.has('::ffff:192.0.2.7'), true)
 * banned.add('198.51.100.7')
 * banned.delete('192.0.2.0/24')
 * assert.deepEqual([...banned], ['2001:db8::1-2001:db8::ff', '198.51.100.7'])
 */
export class AddressList implements Iterable<AddressEntry> {
  // As they were given, by what they say.
  readonly #entries = new Map<Rule['key'], Understood>()
  // Networks and ranges; none where they have to be gathered again, as nothing can be taken out of them.
  #nets: Record<4 | 6, BlockList | undefined> | undefined
  #lists: BlockList[] = []

  /** @param entries - what it holds at first */
  constructor(entries: AddressEntries = []) {
    this.replace(entries)
  }

  /** How many entries it holds. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * Take entries in. One that says the same as one that is there changes nothing.
   *
   * @param entries - what is taken in
   */
  add(...entries: AddressEntry[]): this {
    this.#take(understood(entries))
    return this
  }

  /**
   * Take an entry out: as it was given, or another way of writing it.
   *
   * @param entry - the entry
   * @returns whether it was there
   */
  delete(entry: AddressEntry): boolean {
    const { key } = ruleOf(entry)
    const found = this.#entries.get(key)
    if (found === undefined) return false
    this.#entries.delete(key)
    const { rule } = found
    if (rule.kind === 'list') this.#lists = this.#lists.filter((list) => list !== rule.list)
    else if (rule.kind !== 'address') this.#nets = undefined
    return true
  }

  /**
   * Hold other entries from now on, and no others.
   *
   * @param entries - all that it holds then
   */
  replace(entries: AddressEntries): this {
    const next = understood(entriesOf(entries))
    this.#entries.clear()
    this.#lists = []
    this.#nets = undefined
    this.#take(next)
    return this
  }

  /**
   * Whether an address is among them.
   *
   * @param address - a numeric address, with or without its zone, or where a peer calls from; never among them where there
   *   is none, or it is none
   */
  has(address: Address | string | undefined): boolean {
    if (address === undefined) return false
    if (typeof address === 'string') return this.#holds(address)
    return address.family === 'unix' ? this.#entries.has(unixEntry) : this.#holds(address.host)
  }

  /** The entries, as they were given. */
  *[Symbol.iterator](): IterableIterator<AddressEntry> {
    for (const { entry } of this.#entries.values()) yield entry
  }

  #take(entries: readonly Understood[]): void {
    for (const { entry, rule } of entries) {
      if (this.#entries.has(rule.key)) continue
      this.#entries.set(rule.key, { entry, rule })
      if (rule.kind === 'list') this.#lists.push(rule.list)
      else if (this.#nets !== undefined) include(this.#nets, rule)
    }
  }

  #holds(host: string): boolean {
    const ip = parseIP(host)
    if (ip === undefined) return false
    const text = formatIP(ip)
    if (this.#entries.has(text)) return true
    if (ip.version === 6 && ip.zone !== undefined && this.#entries.has(addressKey(ip))) return true
    this.#nets ??= this.#gathered()
    const family = families[ip.version]
    return this.#nets[ip.version]?.check(text, family) === true || this.#lists.some((list) => list.check(text, family))
  }

  #gathered(): Record<4 | 6, BlockList | undefined> {
    const nets = { 4: undefined, 6: undefined }
    for (const { rule } of this.#entries.values()) include(nets, rule)
    return nets
  }
}

/**
 * The list that is meant: one that is given stays the same one.
 *
 * @param given - a list, or what it holds
 */
export function addressList(given: AddressList | AddressEntries): AddressList {
  return given instanceof AddressList ? given : new AddressList(given)
}

/** All of them, or an error. */
function understood(entries: readonly AddressEntry[]): Understood[] {
  return entries.map((entry) => ({ entry, rule: ruleOf(entry) }))
}

function entriesOf(given: AddressEntries): AddressEntry[] {
  if (given instanceof BlockList) return [given]
  // The letters of a string are no addresses.
  if (typeof given === 'string' || typeof given?.[Symbol.iterator] !== 'function') {
    throw new TypeError(`A list of addresses takes an array of entries: got ${show(given)}`)
  }
  return [...given]
}

/** One for each IP: Node's own would have IPv6 rules match IPv4 addresses. */
function include(nets: Record<4 | 6, BlockList | undefined>, rule: Rule): void {
  if (rule.kind === 'network') {
    const { network, prefix } = rule
    nets[network.version] ??= new BlockList()
    nets[network.version]?.addSubnet(formatIP(network), prefix, families[network.version])
  } else if (rule.kind === 'range') {
    const { first, last } = rule
    nets[first.version] ??= new BlockList()
    nets[first.version]?.addRange(formatIP(first), formatIP(last), families[first.version])
  }
}
