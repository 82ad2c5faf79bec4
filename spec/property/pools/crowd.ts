import { fileURLToPath } from 'node:url'
import { expect, vi } from 'vitest'
import { AbortedError, type Address, type Outcome, type StreamRequest } from '../../../lib/index.ts'
import { startProgram } from '../../support/live-child.ts'

/** What became of the visits of a crowd. */
export interface CrowdReport {
  readonly visits: number
  /** Those that got all of their bytes back, and the end. */
  readonly whole: number
  /** Those that got less, and then the end or a reset; each with the port that it came from. */
  readonly cut: readonly Visit[]
  /** Those that got other bytes than their own. */
  readonly wrong: readonly Visit[]
  /** Those that waited for five seconds. */
  readonly late: readonly Visit[]
}

interface Visit {
  readonly port: number | undefined
  readonly why: string
}

/** What was served of a crowd. */
export type Served = Outcome<StreamRequest>

const clientFile = fileURLToPath(new URL('crowd-client.mjs', import.meta.url))

const { KILL_SECONDS } = process.env
const asked = Number(KILL_SECONDS)
const seconds = asked > 0 ? asked : 1

// What is asked for may take its time.
vi.setConfig({ testTimeout: 30_000 + seconds * 2_000 })

/** How long a crowd comes, in milliseconds: KILL_SECONDS says it, in seconds. */
export const crowdTime = seconds * 1_000

/** Clients in a process of their own, each of which comes again when it was served, until they are to stop. */
export async function startCrowd(address: Address, clients = 100, seed = 1): Promise<() => Promise<CrowdReport>> {
  const where = address.family === 'unix' ? address.path : String(address.port)
  const program = startProgram(process.execPath, [clientFile, where, String(clients), String(seed)])
  expect(await program.line()).toBe('begun')
  return async () => {
    program.say('stop')
    return JSON.parse(await program.line()) as CrowdReport
  }
}

/** Say what a long run has come to: whoever asks for one wants its figures. */
export function tell(what: string, figures: unknown): void {
  if (asked > 0) process.stderr.write(`${what} ${JSON.stringify(figures)}\n`)
}

/** How many outcomes there are of each kind. */
export function tally(outcomes: readonly Served[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) {
    const kind = outcome.status === 'fulfilled' ? 'fulfilled' : causeOf(outcome.reason)
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/**
 * Nothing was lost: each visit has one outcome; nobody waited, or got what is not his; and who was cut off was a worker's
 * that has gone.
 */
export function expectNothingLost({ visits, whole, cut, wrong, late }: CrowdReport, outcomes: readonly Served[]): void {
  expect(late).toEqual([])
  expect(wrong).toEqual([])
  expect(outcomes).toHaveLength(visits)
  expect(whole + cut.length).toBe(visits)
  const gone = outcomes.filter((outcome) => outcome.status !== 'fulfilled')
  const others = gone.map(({ reason }) => causeOf(reason)).filter((cause) => cause !== 'worker-gone')
  expect(others).toEqual([])
  const ports = new Set(gone.map(({ request }) => portOf(request)))
  expect(cut.filter(({ port }) => !ports.has(port))).toEqual([])
}

function causeOf(reason: Error): string {
  return reason instanceof AbortedError ? reason.cause : String(reason.stack)
}

function portOf({ clientAddress }: StreamRequest): number | undefined {
  return clientAddress?.family === 'unix' ? undefined : clientAddress?.port
}
