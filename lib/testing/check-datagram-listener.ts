import { datagramCases } from './datagram-cases.ts'
import type { DatagramListenerSubject } from './datagram-subject.ts'
import { datagramSuspendCases } from './datagram-suspend-cases.ts'
import { type KitOptions, runKit } from './kit.ts'
import { anyListenerCases } from './listener-cases.ts'

/**
 * Check that a listener of datagrams, or of other whole messages, does what servers expect of one: order and end of
 * `accept`, one reply or none, its bounds, what is left at its close, suspension, clients that vanish.
 *
 * @param subject - how it is made and called, and what it can do
 * @param options - who registers the cases; by default they run at once
 * @returns when all have run, or are registered
 * @throws `AggregateError`, with a sentence for each case that does not hold
 *
 * @example
 * // A listener of your own, here one that only counts what it hands over.
 * class CountingListener extends MemoryDatagramListener {
 *   handed = 0
 *   override async accept () {
 *     const request = await super.accept()
 *     if (request !== undefined) this.handed++
 *     return request
 *   }
 * }
 * await checkDatagramListener({
 *   name: 'my listener',
 *   listener: ({ server, stats, maxPending, maxPacketSize }) =>
 *     new CountingListener({ maxPending, maxPacketSize }, server, stats),
 *   client (listener) {
 *     const replies: Promise<Buffer | undefined>[] = []
 *     return {
 *       send: (packet) => void replies.push((listener as CountingListener).send(packet)),
 *       async receive () {
 *         while (replies.length > 0) {
 *           const bytes = await replies.shift()
 *           if (bytes !== undefined) return bytes
 *         }
 *         throw new Error('there is no reply')
 *       },
 *       close () {}
 *     }
 *   }
 * })
 */
export function checkDatagramListener(subject: DatagramListenerSubject, options: KitOptions = {}): Promise<void> {
  return runKit(
    'checkDatagramListener',
    subject,
    [...anyListenerCases, ...datagramCases, ...datagramSuspendCases],
    options
  )
}
