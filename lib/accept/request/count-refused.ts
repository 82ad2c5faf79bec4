import { type RefusedEvent, refused } from '../../events.ts'
import type { Stats } from '../../stats.ts'

/**
 * Count one that was turned away, and publish it.
 *
 * @param stats - where it is counted
 * @param event - who, and why
 */
export function countRefused(stats: Stats, event: RefusedEvent): void {
  stats.refused++
  stats.refusedBy[event.reason]++
  if (refused.hasSubscribers) refused.publish(event)
}
