import type { Address } from '../../address.ts'
import type { StreamLimits } from '../../limits.ts'
import { networkKey } from '../address/network-key.ts'

/** Whose address a connection was counted under. */
export type Counted = string | number | undefined

// Whoever has one address of IPv6 has, as a rule, the others of its network as well.
const prefixes = { ipv4: 32, ipv6: 64 }

/** How many connections of a listener are open, in all and by address. */
export class Occupancy {
  readonly #limits: Readonly<StreamLimits>
  readonly #roomMade: () => void
  readonly #byAddress = new Map<string | number, number>()
  #open = 0
  #wanted = false

  /**
   * @param limits - `maxConnections` and `maxConnectionsPerAddress`, as they are now
   * @param roomMade - called when there is room again, where {@link Occupancy.isFull} has said that there is none
   */
  constructor(limits: Readonly<StreamLimits>, roomMade: () => void) {
    this.#limits = limits
    this.#roomMade = roomMade
  }

  /** How many there are. */
  get open(): number {
    return this.#open
  }

  /** Whether there is no room for one more. */
  get isFull(): boolean {
    this.#wanted = this.#open >= this.#limits.maxConnections
    return this.#wanted
  }

  /** One more. */
  enter(): void {
    this.#open++
  }

  /** One of an address; false where it has as many as it may. To be given back by {@link Occupancy.leave}. */
  count(address: Address | undefined): Counted | false {
    const { maxConnectionsPerAddress: most } = this.#limits
    if (most === Number.POSITIVE_INFINITY || address === undefined || address.family === 'unix') return undefined
    const whose = networkKey(address.host, prefixes)
    if (whose === undefined) return undefined
    const open = this.#byAddress.get(whose) ?? 0
    if (open >= most) return false
    this.#byAddress.set(whose, open + 1)
    return whose
  }

  /** One less, under the address that it was counted under. */
  leave(counted: Counted): void {
    this.#open--
    if (counted !== undefined) {
      const open = (this.#byAddress.get(counted) as number) - 1
      if (open > 0) this.#byAddress.set(counted, open)
      else this.#byAddress.delete(counted)
    }
    this.look()
  }

  /** There may be room: one has left, or the limits have changed. */
  look(): void {
    if (this.#wanted && !this.isFull) this.#roomMade()
  }
}
