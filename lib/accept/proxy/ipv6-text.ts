import { SocketAddress } from 'node:net'

/** An IPv6 address as the system writes it: one address has many forms, and whoever compares or counts knows one. */
export function canonicalIPv6(text: string): string {
  return new SocketAddress({ address: text, family: 'ipv6' }).address
}
