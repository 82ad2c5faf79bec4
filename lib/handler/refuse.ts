import { countRefused } from '../accept/request/count-refused.ts'
import { formatAddress } from '../address.ts'
import { AbortedError } from '../errors.ts'
import type { Request } from '../request.ts'

/**
 * Turn away a request that nobody will serve: closed by its server's `closeRequest`, counted and published. Python:
 * what happens where `verify_request` returns false. One without a PROXY header goes at once: nothing is sent or awaited.
 *
 * @param request - the request
 * @param reason - why
 */
export async function refuseRequest(request: Request, reason: 'verify' | 'closing' | 'proxy'): Promise<void> {
  const { server, clientAddress } = request
  countRefused(server.counters, { server, clientAddress, reason })
  const error = new AbortedError(`The request from ${formatAddress(clientAddress)} was refused (${reason})`, 'refused')
  if (reason === 'proxy') request.abort(error)
  await releaseRequest(request, error)
}

/**
 * Have a request closed by its server's `closeRequest`, whatever that does.
 *
 * @param request - the request, which nobody serves
 * @param reason - why
 */
export async function releaseRequest(request: Request, reason: Error): Promise<void> {
  const { server } = request
  try {
    await server.closeRequest(request, { status: 'aborted', reason })
  } catch (thrown) {
    request.abort(reason)
    await server.noteError(thrown, request)
  }
}
