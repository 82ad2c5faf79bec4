import type { Stats } from 'it-socketserver'
import type { Counts } from './ledger.ts'
import { isStream, type Subject } from './subject.ts'

type Counted = Stats & { readonly open: number; readonly waiting: number }

/** What does not add up in what a server that has closed has counted, told and was asked */
export function audit(subject: Subject, stats: Counted, counts: Counts): string[] {
  const wrong: string[] = []
  const equal = (what: string, one: number, other: number, orLess = 0): void => {
    if (one < other || one > other + orLess)
      wrong.push(`${what}: ${one}, and not ${other}${orLess === 0 ? '' : ` to ${other + orLess}`}`)
  }
  equal('open after the close', stats.open, 0)
  equal('waiting after the close', stats.waiting, 0)
  equal('accepted, and the events of it', stats.accepted, counts.accepted)
  equal('refused, and the sum of its reasons', stats.refused, sum(stats.refusedBy))
  equal('dropped, and the sum of its reasons', stats.dropped, sum(stats.droppedBy))
  for (const [reason, count] of Object.entries(stats.refusedBy)) {
    equal(`refused for ${reason}, and the events of it`, count, counts.refused[reason as keyof Counts['refused']] ?? 0)
  }
  for (const [reason, count] of Object.entries(stats.droppedBy)) {
    equal(`dropped for ${reason}, and the events of it`, count, counts.dropped[reason as keyof Counts['dropped']] ?? 0)
  }
  equal('ends of requests, and starts', counts.ends, counts.starts)
  equal('ends of frames, and starts', counts.frameEnds, counts.frameStarts)
  const { least, most } = turnedAwayInside(subject, stats)
  equal('accepted, and started or refused', stats.accepted, counts.starts + least, most - least)
  if (subject.mode === 'loop') {
    equal('served where nobody counts', stats.served + stats.failed, 0)
  } else {
    const frames = subject.mode === 'framed'
    equal('served, and ends that say so', stats.served, frames ? counts.frameFulfilled : counts.fulfilled)
    equal('failed, and ends that say so', stats.failed, frames ? counts.frameUnfulfilled : counts.unfulfilled)
  }
  if (subject.transport === 'tls') {
    equal(
      'handshakes, and connections',
      counts.handshakes,
      stats.accepted - stats.refusedBy.closing,
      stats.refusedBy.closing
    )
  }
  return wrong
}

/** How many were refused or dropped that had been counted as accepted before */
function turnedAwayInside(
  { transport, backend }: Subject,
  { refusedBy, droppedBy }: Stats
): { least: number; most: number } {
  const closing = isStream(transport) ? refusedBy.closing : droppedBy.closing
  const inside = refusedBy.verify + refusedBy.handshake + refusedBy.proxy
  // By Node's own sockets somebody may come when nobody is taken in any more, or have waited.
  if (backend === 'node')
    return { least: inside, most: inside + closing + (transport === 'tls' ? refusedBy.pending : 0) }
  const secured = transport === 'tls' ? refusedBy.pending : 0
  return { least: inside + closing + secured, most: inside + closing + secured }
}

/** How many connections or datagrams were turned away before they were counted as accepted, at least and at most */
export function turnedAwayOutside(subject: Subject, stats: Stats): { least: number; most: number } {
  const inside = turnedAwayInside(subject, stats)
  const all = stats.refused + stats.dropped
  return { least: all - inside.most, most: all - inside.least }
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
