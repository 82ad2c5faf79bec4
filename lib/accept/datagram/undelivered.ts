import { type Address, formatAddress } from '../../address.ts'
import { AbortedError } from '../../errors.ts'
import { undelivered } from '../../events.ts'
import type { RequestServer } from '../../request.ts'

// sendto(2): the peer has gone, never had an address, or listens to another.
const gone = new Set(['ECONNREFUSED', 'ECONNRESET', 'EDESTADDRREQ', 'ENOENT', 'EPERM', 'EPIPE', 'EPROTOTYPE'])

/**
 * Publish that a reply could not be sent.
 *
 * @param server - whose reply it is
 * @param clientAddress - where it was to go
 * @param error - the system's error
 * @returns what the request's `close()` says: an {@link AbortedError} where it is the peer's doing
 */
export function notDelivered(server: RequestServer, clientAddress: Address | undefined, error: Error): Error {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const reason = gone.has(code)
    ? new AbortedError(`Cannot reply to ${formatAddress(clientAddress)}: nobody is there (${code})`, 'peer-gone', error)
    : error
  if (undelivered.hasSubscribers) undelivered.publish({ server, clientAddress, error: reason })
  return reason
}
