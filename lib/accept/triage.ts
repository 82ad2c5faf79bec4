/** What is done about an error on taking a request in. */
export type Verdict = 'wait' | 'skip' | 'fatal'

// accept(2): out of descriptors or memory; it passes, and trying again at once only spins.
const wait = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

// accept(2): an error of the connection that was to be accepted, which Linux passes on; the next one may be well. Of a
// datagram socket that is connected: an earlier reply found nobody.
const skip = new Set([
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPROTO',
  'EPERM',
  'ENETDOWN',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ETIMEDOUT'
])

/**
 * The one table of accept errors.
 *
 * @param error - what accept threw
 * @returns `wait`: leave it for a while; `skip`: this one is lost, go on; `fatal`: the listener is dead
 */
export function triage(error: unknown): Verdict {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? ''
  if (wait.has(code)) return 'wait'
  return skip.has(code) ? 'skip' : 'fatal'
}
