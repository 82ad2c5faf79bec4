import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type ForkOptions, forked, type Stage, type StreamRequest } from '../../../lib/index.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'
import { crowdTime, type Served, tally } from './crowd.ts'
import { besiege, bothWays } from './siege.ts'

checkNothingUnhandled()

function childrenWith(handler: string, options: ForkOptions): Stage<StreamRequest, Served> {
  return forked<StreamRequest>(new URL(handler, import.meta.url), options)
}

/** One that has ended meanwhile gets no signal. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

let kills = 0

// Now and then one that has not served yet, and is still starting maybe. The last that serves is spared: on a machine that
// starts them more slowly than they are killed nobody would be served, and that is a crash loop.
function killOne(children: readonly number[], proven: readonly number[]): void {
  if (proven.length < 2) return
  const among = ++kills % 5 === 0 ? children : proven
  const pid = among[Math.floor(Math.random() * among.length)]
  if (pid !== undefined) signal(pid, 'SIGKILL')
}

async function stopAll(children: readonly number[]): Promise<void> {
  for (const pid of children) signal(pid, 'SIGSTOP')
  await sleep(2_000)
  // The siege may be over.
  for (const pid of children) signal(pid, 'SIGCONT')
}

describe.for(['native', 'node'] as const)('of a crowd of connections (%s), children', (backend) => {
  it('that are killed take their own with them, and no others', async () => {
    const mode = childrenWith('echo.mjs', { maxChildren: 6, maxRequestsPerChildInFlight: 4, spares: 2 })
    await besiege({ backend, mode, harm: killOne, until: bothWays })
  })

  // A process takes a tenth of a second to start: a hundred clients would wait too long.
  it('that are killed where each serves one take that with them', async () => {
    const mode = childrenWith('echo.mjs', { maxChildren: 6, requestsPerChild: 1, spares: 2 })
    const harm = ([pid]: readonly number[]): void => void (pid !== undefined && signal(pid, 'SIGKILL'))
    await besiege({ backend, mode, harm, every: 500, clients: 8 })
  })

  it('that have no room for a connection leave it to others', async () => {
    const mode = childrenWith('cramped-echo.mjs', { maxChildren: 2, maxRequestsPerChildInFlight: 50 })
    const wasFull = (outcome: Served): boolean => outcome.status === 'fulfilled' && outcome.value === true
    const { outcomes } = await besiege({ backend, mode, until: (outcomes) => outcomes.some(wasFull) })
    expect(tally(outcomes)).toEqual({ fulfilled: outcomes.length })
  })

  it('that have no room and are killed take their own with them, and no others', async () => {
    const mode = childrenWith('cramped-echo.mjs', { maxChildren: 4, maxRequestsPerChildInFlight: 50 })
    await besiege({ backend, mode, harm: killOne, until: bothWays })
  })

  it.for(['loops', 'exits', 'throws'])('in which something %s take their own with them', async (mood) => {
    const mode = childrenWith('moody-echo.mjs', { maxChildren: 4, timeout: 500, env: { ...process.env, MOOD: mood } })
    await besiege({ backend, mode, until: bothWays })
  })

  it('that are stopped for two seconds lose nobody', async () => {
    const mode = childrenWith('echo.mjs', { maxChildren: 3, maxRequestsPerChildInFlight: 4 })
    const { outcomes } = await besiege({ backend, mode, harm: stopAll, every: Math.min(crowdTime - 500, 5_000) })
    expect(tally(outcomes)).toEqual({ fulfilled: outcomes.length })
  })
})
