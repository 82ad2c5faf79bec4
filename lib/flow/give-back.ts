import { closeSource } from '../iterator/close-source.ts'
import type { RequestServer } from '../request.ts'

/** Whether a source is a server: it can be told of errors, and its `return()` answers whatever it waits for. */
export function isServer(source: object): source is RequestServer {
  const { noteError, processRequest } = source as Partial<RequestServer>
  return typeof noteError === 'function' && typeof processRequest === 'function'
}

/**
 * Give a source back. A server is waited for, until its listener has closed: its port is free then. Nobody else is: a
 * parked generator never answers.
 *
 * @param source - what was iterated
 * @param iterator - its iterator
 */
export async function giveBack(source: object, iterator: AsyncIterator<unknown> | Iterator<unknown>): Promise<void> {
  if (!isServer(source)) {
    closeSource(iterator)
    return
  }
  try {
    await iterator.return?.()
  } catch {
    // As in closeSource: it has nothing left to release.
  }
}
