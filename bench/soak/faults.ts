import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from './random.ts'
import type { Site } from './site.ts'
import { hasWorkers, isStream, type Subject } from './subject.ts'
import { usualLimits } from './usual-limits.ts'

/** What befalls a server from our side */
export type Fault =
  | 'suspend'
  | 'redeploy'
  | 'redeploy while suspended'
  | 'redeploy with a short deadline'
  | 'few connections'
  | 'few connections of an address'
  | 'other time limits'
  | 'turn everybody away'
  | 'kill a worker'

function weightsOf({ subject, lasting }: Site): Record<Fault, number> {
  const mortal = lasting ? 0 : 1
  const stream = isStream(subject.transport) ? 1 : 0
  const addressed = subject.transport === 'tcp' || subject.transport === 'tls' ? 1 : 0
  return {
    suspend: 4,
    redeploy: 5 * mortal,
    // Senders of Unix datagrams wait for it: it would wait for them, and they for it.
    'redeploy while suspended': subject.transport === 'unix-datagram' ? 0 : 2 * mortal,
    'redeploy with a short deadline': 2 * mortal,
    'few connections': 3 * stream,
    'few connections of an address': 2 * addressed,
    'other time limits': 2,
    'turn everybody away': 2,
    'kill a worker': hasWorkers(subject) ? 10 : 0
  }
}

/** Commits one fault, from its beginning to its end */
export async function commitFault(site: Site, random: Random): Promise<void> {
  const fault = random.weighted(weightsOf(site))
  site.totals.fault(fault)
  const { child, windows, subject } = site
  const { id } = site.target
  const a = random.integer(50, 400)
  const limits = (changes: Record<string, number | null>): Promise<undefined> =>
    child.ask('limits', { id, limits: changes })
  switch (fault) {
    case 'suspend': {
      const over = byNode(subject) ? windows.open('suspended') : undefined
      await child.ask('suspend', { id })
      await pause(a)
      await child.ask('resume', { id })
      over?.()
      return
    }
    case 'redeploy':
      return site.redeploy()
    case 'redeploy while suspended': {
      const over = byNode(subject) ? windows.open('suspended') : undefined
      await child.ask('suspend', { id })
      await pause(a)
      await site.redeploy()
      over?.()
      return
    }
    case 'redeploy with a short deadline':
      return site.redeploy(random.integer(0, 200))
    case 'few connections': {
      const over = byNode(subject) ? windows.open('connections') : undefined
      await limits({ maxConnections: random.integer(1, 3) })
      await pause(a)
      await limits({ maxConnections: usualLimits.maxConnections })
      over?.()
      return
    }
    case 'few connections of an address': {
      const over = windows.open('address')
      await limits({ maxConnectionsPerAddress: 1 })
      await pause(a)
      await limits({ maxConnectionsPerAddress: null })
      over()
      return
    }
    case 'other time limits': {
      const { idleTimeout } = usualLimits
      const others = isStream(subject.transport)
        ? { lingerTimeout: random.integer(100, 1_000), idleTimeout: random.integer(idleTimeout, 2 * idleTimeout) }
        : { maxPending: random.integer(500, 2_000) }
      await limits({ ...others, requestTimeout: random.pick([null, 120_000]) })
      return
    }
    case 'turn everybody away': {
      const over = windows.open('verify')
      await child.ask('turnAway', { id, everybody: true })
      await pause(a)
      await child.ask('turnAway', { id, everybody: false })
      over()
      return
    }
    case 'kill a worker': {
      const over = windows.open('kill')
      await child.ask('kill', { mode: subject.mode === 'threads' ? 'threads' : 'forked', at: random.next() })
      over()
    }
  }
}

// In the kernel nobody can wait for a server that takes everybody in at once.
function byNode({ backend }: Subject): boolean {
  return backend === 'node'
}
