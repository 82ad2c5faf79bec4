import { type KitOptions, runKit } from './kit.ts'
import { serverCloseCases } from './server-close-cases.ts'
import { serverLoopCases } from './server-loop-cases.ts'
import type { AnyServer, ServerSubject } from './server-subject.ts'
import { serverSuspendCases } from './server-suspend-cases.ts'

/**
 * Check that a server of anything does what handlers and modes expect of one: loops, limits, hooks, every way to
 * close, and to be suspended.
 *
 * @param subject - how it is made and asked
 * @param options - who registers the cases; by default they run at once
 * @returns when all have run, or are registered
 * @throws `AggregateError`, with a sentence for each case that does not hold
 *
 * @example
 * class QueueServer extends MemoryDatagramServer {}
 * await checkServer({
 *   name: 'my server',
 *   server: () => new QueueServer({ maxPending: 100 }),
 *   ask: (server, input) => ({ sent: Promise.resolve(), reply: server.send(input) })
 * })
 */
export function checkServer<S extends AnyServer>(subject: ServerSubject<S>, options: KitOptions = {}): Promise<void> {
  return runKit<ServerSubject>(
    'checkServer',
    subject,
    [...serverLoopCases, ...serverCloseCases, ...serverSuspendCases],
    options
  )
}
