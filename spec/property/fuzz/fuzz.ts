import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, vi } from 'vitest'
import { turns } from '../../support/turns.ts'
import { runs } from '../runs.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

// Each file takes some seconds; a machine that has other things to do takes longer.
vi.setConfig({ testTimeout: 120_000 })

/** How many inputs a parser gets: FUZZ_RUNS, where it is set, says it for all of them. */
export const inputs = runs(100_000)

// A leak of an input is a hundred bytes or more each; what the engine and fast-check keep of their own is less than this.
const bytesAnyway = 4_000_000

/** What is held, when all that can be collected was. */
async function held(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    gc()
    await turns()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/**
 * Give a parser its inputs, and see that nothing is left of them.
 *
 * @param parse - gives it so many
 */
export async function leavesNothing(parse: (many: number) => void | Promise<void>): Promise<void> {
  await parse(Math.ceil(inputs / 10))
  const before = await held()
  await parse(inputs)
  expect((await held()) - before).toBeLessThan(bytesAnyway)
}
