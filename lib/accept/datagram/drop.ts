import type { Address } from '../../address.ts'
import { dropped } from '../../events.ts'
import type { Stats } from '../../stats.ts'

/**
 * A datagram is dropped, counted and published.
 *
 * @param stats - where it is counted
 * @param clientAddress - who sent it
 * @param bytes - its size
 * @param reason - too large, no room, or nobody any more
 */
export function drop(
  stats: Stats,
  clientAddress: Address | undefined,
  bytes: number,
  reason: 'size' | 'pending' | 'closing'
): void {
  stats.dropped++
  if (dropped.hasSubscribers) dropped.publish({ clientAddress, bytes, reason })
}
