/** Where an IP socket is. */
export interface InternetAddress {
  /** Which IP. */
  readonly family: 'IPv4' | 'IPv6'
  /** The numeric address. */
  readonly host: string
  /** The port, 0 to 65535. */
  readonly port: number
}

/** Where a Unix socket is. */
export interface UnixAddress {
  /** Always `'unix'`. */
  readonly family: 'unix'
  /**
   * The path; empty for a client that did not bind one, as most do not. A name in Linux' abstract namespace begins with
   * a NUL.
   */
  readonly path: string
}

/** Where a server listens or a client calls from: Python's `server_address` and `client_address`. */
export type Address = InternetAddress | UnixAddress

/** An IP address from what Node tells of a socket. */
export function internetAddress(family: string | undefined, host: string, port: number): InternetAddress {
  return { family: family === 'IPv6' ? 'IPv6' : 'IPv4', host, port }
}

/** A host and a port as people write them; an IPv6 address in brackets. */
export function formatHost(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * An address as people write it: `127.0.0.1:80`, `[::1]:80`, `/run/app.sock`, `@abstract`.
 *
 * @param address - the address; `undefined` for a request that comes from no address
 * @returns one word for messages and logs
 *
 * @example
 * assert.equal(formatAddress({ family: 'IPv6', host: '::1', port: 80 }), '[::1]:80')
 * assert.equal(formatAddress({ family: 'unix', path: '' }), 'unix:(unnamed)')
 */
export function formatAddress(address: Address | undefined): string {
  if (address === undefined) return '(no address)'
  switch (address.family) {
    case 'IPv4':
    case 'IPv6':
      return formatHost(address.host, address.port)
    case 'unix':
      return formatPath(address.path)
  }
}

/** A Unix path as people write it; an abstract name with an `@` for its NUL. */
export function formatPath(path: string): string {
  if (path === '') return 'unix:(unnamed)'
  return path.startsWith('\0') ? `@${path.slice(1)}` : path
}
