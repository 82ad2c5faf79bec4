import { formatAddress } from '../address.ts'
import { AbortedError } from '../errors.ts'
import { toError } from '../outcome.ts'
import type { Request } from '../request.ts'

const rule = '-'.repeat(40)

/**
 * Print an error to stderr, as Python's `handle_error` does: the only place in the library that prints. A request that
 * was cut off takes one line: it is the peer's doing, or the deadline's, and a stack would say nothing.
 *
 * @param error - what was thrown
 * @param request - the request it concerns, where it concerns one
 */
export function reportError(error: unknown, request: Request | undefined): void {
  const from = request === undefined ? '' : ` during processing of request from ${formatAddress(request.clientAddress)}`
  if (error instanceof AbortedError) process.stderr.write(`${error.message}\n`)
  else process.stderr.write(`${rule}\nException occurred${from}\n${toError(error).stack}\n${rule}\n`)
}
