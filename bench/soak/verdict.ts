import type { Found } from './campaign.ts'
import { inMiB } from './growth.ts'
import type { Totals } from './totals.ts'

function listed(counts: Readonly<Record<string, number>>): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0)
  return some.map(([name, count]) => `${name} ${count.toLocaleString('en')}`).join(', ') || 'none'
}

/** What was done and what came of it, in words */
export function tellVerdict(totals: Totals, found: Found | undefined): string {
  const { ends, clients, faults, excuses, servers, refusedBy, droppedBy, abortedBy, deployments } = totals
  const total = Object.values(clients).reduce((sum, count) => sum + count, 0)
  const lines = [
    `Clients: ${total.toLocaleString('en')}, of which ${ends.whole.toLocaleString('en')} got all their bytes`,
    `  they came ${listed(clients)}`,
    `  and ended ${listed(ends)}; those without a fault of their own were cut off during: ${listed(excuses)}`,
    `Faults: ${listed(faults)}`,
    `Servers: ${deployments.toLocaleString('en')} deployed and closed: ${listed(servers)}`,
    `  refused for: ${listed(refusedBy)}; dropped for: ${listed(droppedBy)}; cut off for: ${listed(abortedBy)}`
  ]
  for (const { name, start, end, heapSlope, points } of found?.groups ?? []) {
    const peak = Math.max(0, ...points.map(({ descriptors }) => descriptors))
    lines.push(
      `${name}: heap ${inMiB(start.heap)} → ${inMiB(end.heap)} (second half ${inMiB(heapSlope)} a minute), ` +
        `resident ${inMiB(start.resident)} → ${inMiB(end.resident)}, ` +
        `descriptors ${start.descriptors} → ${end.descriptors} (up to ${peak} in between)`
    )
  }
  for (const { name, cpu, inside, waiting, refused, seconds } of found?.exhaustions ?? []) {
    lines.push(
      `${name}, no descriptors left: ${(cpu * 100).toFixed(2)} % of a core over ${seconds.toFixed(1)} s, ` +
        `${inside} inside, ${waiting} waiting, ${refused} turned away`
    )
  }
  if (totals.failed) {
    lines.push('', `It has failed:`)
    for (const [text, times] of totals.failures) lines.push(`- ${text}${times > 1 ? ` (${times} times alike)` : ''}`)
  } else {
    lines.push('', 'Nothing was lost, miscounted or left behind.')
  }
  return `${lines.join('\n')}\n`
}
