import { type KitOptions, runKit } from './kit.ts'
import { anyListenerCases } from './listener-cases.ts'
import { streamBytesCases } from './stream-bytes-cases.ts'
import { streamIntakeCases } from './stream-intake-cases.ts'
import type { StreamListenerSubject } from './stream-subject.ts'
import { streamSuspendCases } from './stream-suspend-cases.ts'

/**
 * Check that a listener of connections does what servers expect of one: the order and the end of `accept`, its bound,
 * what is left at its close, suspension, clients that end, stop reading and die.
 *
 * @param subject - how it is made and called, and what it can do
 * @param options - who registers the cases; by default they run at once
 * @returns when all have run, or are registered
 * @throws `AggregateError`, with a sentence for each case that does not hold
 *
 * @example
 * await checkStreamListener({
 *   name: 'the memory listener',
 *   listener: ({ server, stats, maxPending }) => new MemoryStreamListener({ maxPending }, server, stats),
 *   connect: (listener) => (listener as MemoryStreamListener).connect()
 * })
 */
export function checkStreamListener(subject: StreamListenerSubject, options: KitOptions = {}): Promise<void> {
  return runKit(
    'checkStreamListener',
    subject,
    [...anyListenerCases, ...streamIntakeCases, ...streamSuspendCases, ...streamBytesCases],
    options
  )
}
