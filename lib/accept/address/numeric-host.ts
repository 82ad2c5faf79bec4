import { isIP } from 'node:net'

/**
 * The numeric form of a host, for the kernel.
 *
 * @param host - a name or an address
 * @param family - of the addresses of a name; either by default
 */
export async function numericHost(host: string, family: 0 | 4 = 0): Promise<string> {
  if (isIP(host) !== 0) return host
  const { address } = await process.getBuiltinModule('node:dns/promises').lookup(host, { family })
  return address
}
