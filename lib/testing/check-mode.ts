import { type KitOptions, runKit } from './kit.ts'
import { modeFailureCases } from './mode-failure-cases.ts'
import { modeServingCases } from './mode-serving-cases.ts'
import { modeStopCases } from './mode-stop-cases.ts'
import type { ModeSubject } from './mode-subject.ts'
import type { AnyServer } from './server-subject.ts'

/**
 * Check that a mode does what servers and pipelines expect of one: its limit, one outcome for each request, failures that
 * stay what they are and harm nobody else, the hooks of the server, and every way to stop. What serves is a handler of the
 * kit, which modes of children and threads load from its module.
 *
 * @param subject - how it is made, and over which server it is run
 * @param options - who registers the cases; by default they run at once
 * @returns when all have run, or are registered
 * @throws `AggregateError`, with a sentence for each case that does not hold
 *
 * @example
 * await checkMode({
 *   name: 'my mode',
 *   mode: ({ handler }) => parallel(handler, { limit: 3 }),
 *   limit: 3,
 *   server: () => new MemoryDatagramServer({ maxPending: 100 }),
 *   ask: (server, input) => ({ sent: Promise.resolve(), reply: server.send(input) }),
 *   messages: true
 * })
 */
export function checkMode<S extends AnyServer>(subject: ModeSubject<S>, options: KitOptions = {}): Promise<void> {
  return runKit<ModeSubject>(
    'checkMode',
    subject,
    [...modeServingCases, ...modeFailureCases, ...modeStopCases],
    options
  )
}
