import { type DroppedEvent, dropped } from '../../events.ts'
import type { Stats } from '../../stats.ts'

/**
 * A datagram is dropped, counted and published.
 *
 * @param stats - where it is counted
 * @param event - who sent it, how much, and why
 */
export function drop(stats: Stats, event: DroppedEvent): void {
  stats.dropped++
  stats.droppedBy[event.reason]++
  if (dropped.hasSubscribers) dropped.publish(event)
}
