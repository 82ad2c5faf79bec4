import type { Row } from './benchmark.ts'
import { Contender } from './contender.ts'
import type { TurnReport } from './load-turns.ts'
import { type Run, runOf } from './run.ts'
import type { Timing } from './timing.ts'

export interface Pair {
  ours: Run
  rival: Run
}

export interface Plan {
  pairs: number
  timing: Timing
}

/** What processes that belong to neither side may use of a core */
export const disturbance = 0.1

/**
 * Measures pairs, each with new processes. A pair during which the machine did something else is run again, at most
 * half as many as the plan has, and the quietest are kept. Which ones these are is told by the processor time of the
 * others alone, never by a result.
 */
export async function runPairs(row: Row, plan: Plan, tell: (step: string) => void): Promise<Pair[]> {
  const share = row.morePairs ?? 1
  const wanted = plan.pairs * share
  const timing = { ...plan.timing, measured: (plan.timing.measured * (row.time ?? 1)) / share }
  const pairs: Pair[] = []
  let quiet = 0
  while (quiet < wanted && pairs.length < wanted * 1.5) {
    tell(`pair ${quiet + 1} of ${wanted}, ${pairs.length - quiet} were disturbed`)
    const pair = await runPair(row, timing, pairs.length % 2)
    pairs.push(pair)
    if (disturbanceOf(pair) <= disturbance) quiet++
  }
  const kept = [...pairs].sort((a, b) => disturbanceOf(a) - disturbanceOf(b)).slice(0, wanted)
  return pairs.filter((pair) => kept.includes(pair))
}

/**
 * Both sides work in turns of a fraction of a second, one while the other rests, and swap who goes first from turn to
 * turn and from pair to pair: a machine whose speed drifts then slows both down alike.
 */
async function runPair(row: Row, { warmup, measured, turn }: Timing, first: number): Promise<Pair> {
  await using ours = await Contender.start(row.ours, row)
  await using rival = await Contender.start(row.rival, row)
  const sides = [
    { contender: ours, turns: [] as TurnReport[] },
    { contender: rival, turns: [] as TurnReport[] }
  ] as const
  for (const { contender } of sides) await contender.work(warmup)
  for (let count = 0; count < measured / turn; count++) {
    const order = (first + count) % 2 === 0 ? sides : [sides[1], sides[0]]
    for (const { contender, turns } of order) turns.push(await contender.work(turn))
  }
  return { ours: runOf(row, sides[0].turns), rival: runOf(row, sides[1].turns) }
}

function disturbanceOf({ ours, rival }: Pair): number {
  return Math.max(ours.busy.others, rival.busy.others)
}
