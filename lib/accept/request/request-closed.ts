import { ClosedError } from '../../errors.ts'

/** What reads and writes get after the close of their request. */
export function requestClosed(): Error {
  return new ClosedError('Cannot use the request: it was closed')
}
