import { networkInterfaces } from 'node:os'

/** An interface, as the two kinds of IP want to hear of it. */
export interface NetworkInterface {
  /** Its name: `eth0`. */
  readonly name: string
  /** An IPv4 address of it; `undefined` where it has none. */
  readonly ipv4: string | undefined
}

/**
 * The interface that is meant.
 *
 * @param given - its name, an address of it, or `::%name`
 * @throws an error with the code `ENODEV` where there is none
 */
export function networkInterface(given: string): NetworkInterface {
  const [numeric, zone] = given.split('%')
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    if (name === given || name === zone || (zone === undefined && addresses.some(({ address }) => address === numeric)))
      return { name, ipv4: addresses.find(({ family }) => family === 'IPv4')?.address }
  }
  throw Object.assign(new Error(`there is no interface ${given}`), { code: 'ENODEV' })
}
