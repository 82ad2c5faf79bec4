import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import type { Stage, StreamRequest, TCPServer } from '../../../lib/index.ts'
import { poolChildren } from '../../support/pool-children.ts'
import { descriptors, descriptorsDownTo, transports } from '../transports.ts'
import { type CrowdReport, crowdTime, expectNothingLost, type Served, startCrowd, tally, tell } from './crowd.ts'

/** What is done to a server while a crowd comes. */
export interface Siege {
  readonly backend: 'native' | 'node'
  readonly mode: Stage<StreamRequest, Served>
  readonly clients?: number
  /** Does its worst, to the children that there are, and those of them that have served. */
  readonly harm?: (children: readonly number[], proven: readonly number[]) => unknown
  /** How often, in milliseconds. */
  readonly every?: number
  /** What must have come of it before the crowd is told to stop. */
  readonly until?: (outcomes: readonly Served[]) => boolean
}

/** Whether some were served, and some were cut off. */
export function bothWays(outcomes: readonly Served[]): boolean {
  return new Set(outcomes.map(({ status }) => status)).size === 2
}

/** Have a crowd served by a mode, and check that nothing was lost: neither a client nor a descriptor nor a child. */
export async function besiege(siege: Siege): Promise<{ report: CrowdReport; outcomes: Served[] }> {
  const { backend, mode, harm, every = 200, clients = 100, until } = siege
  const before = descriptors()
  const server = (await transports[backend === 'native' ? 'TCP, native' : "TCP, Node's"]().listen()) as TCPServer
  const outcomes: Served[] = []
  const serving = (async () => {
    for await (const outcome of mode(server)) outcomes.push(outcome)
  })()
  const stop = await startCrowd(server.address, clients)
  const harming = setInterval(() => {
    if (harm === undefined) return
    const children = poolChildren()
    const proven = new Set(outcomes.map(({ request }) => request.ranBy?.pid))
    harm(
      children,
      children.filter((pid) => proven.has(pid))
    )
  }, every)
  onTestFinished(() => clearInterval(harming))
  await Promise.race([sleep(crowdTime), serving])
  while (until?.(outcomes) === false) await Promise.race([sleep(100), serving])
  clearInterval(harming)
  const report = await stop()
  await server.close({ deadline: Number.POSITIVE_INFINITY })
  await serving
  const { visits, whole, cut } = report
  tell(`${expect.getState().currentTestName}:`, { visits, whole, cut: cut.length, ...tally(outcomes) })
  expect(server.stats().accepted).toBe(outcomes.length)
  expectNothingLost(report, outcomes)
  expect(await descriptorsDownTo(before)).toBeLessThanOrEqual(before)
  expect(poolChildren()).toEqual([])
  return { report, outcomes }
}
