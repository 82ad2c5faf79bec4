import type { Socket } from 'node:net'

/** The descriptor of a socket of Node's; `undefined` where it does not tell. */
export function descriptorOf(socket: Socket): number | undefined {
  // Not known to the types, nor documented; there is no other way to ask.
  const { _handle: handle } = socket as { _handle?: { readonly fd?: number } | null }
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined
}
