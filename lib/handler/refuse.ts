import { countRefused } from '../accept/request/count-refused.ts'
import { formatAddress } from '../address.ts'
import { AbortedError } from '../errors.ts'
import type { Request } from '../request.ts'

/**
 * Turn away a request that nobody will serve: closed by its server's `closeRequest`, counted and published. Python:
 * what happens where `verify_request` returns false.
 *
 * @param request - the request
 * @param reason - why
 */
export async function refuseRequest(request: Request, reason: 'verify' | 'closing'): Promise<void> {
  const { server, clientAddress } = request
  countRefused(server.counters, { server, clientAddress, reason })
  const error = new AbortedError(`The request from ${formatAddress(clientAddress)} was refused (${reason})`, 'refused')
  try {
    await server.closeRequest(request, { status: 'aborted', reason: error })
  } catch (thrown) {
    request.abort(error)
    await server.noteError(thrown, request)
  }
}
