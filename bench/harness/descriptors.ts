import { readFileSync } from 'node:fs'
import type { Load } from './benchmark.ts'

// What a process opens for itself; and a server may keep a tenth back, so as to be able to turn somebody away.
const own = 100
const keptBack = 0.1

/** Why a load cannot be run, where a process may not open as many descriptors as it has connections */
export function missingDescriptors(load: Load): string | undefined {
  const wanted = Math.ceil(connectionsOf(load) / (1 - keptBack)) + own
  const limit = hardLimit()
  return limit < wanted ? `needs ${wanted} descriptors a process, and the hard limit is ${limit}` : undefined
}

function connectionsOf(load: Load): number {
  switch (load.generator) {
    case 'load-echo':
    case 'load-idle':
      return load.options.connections
    case 'load-connect':
      return load.options.atOnce + (load.options.idle ?? 0)
    case 'load-fairness':
      return load.options.floods + load.options.others
    default:
      return 0
  }
}

// Node raises its own limit to the hard one when it starts.
function hardLimit(): number {
  const text = readFileSync('/proc/self/limits', 'latin1')
  const found = /^Max open files\s+\S+\s+(\S+)/m.exec(text)?.[1]
  return found === 'unlimited' ? Infinity : Number(found)
}
