import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, vi } from 'vitest'
import { turns } from '../../support/turns.ts'
import { runs } from '../runs.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

// Each file takes some seconds; a machine that has other things to do takes longer.
vi.setConfig({ testTimeout: 120_000 })

// How many inputs a parser gets: FUZZ_RUNS, where it is set, says it for all of them.
const inputs = runs(100_000)

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
 * @param share - how many, of the usual number: less where another test gives the same parser all of them
 */
export async function leavesNothing(parse: (many: number) => void | Promise<void>, share = 1): Promise<void> {
  const many = Math.ceil(inputs * share)
  await parse(Math.ceil(many / 20))
  const before = await held()
  await parse(many)
  expect((await held()) - before).toBeLessThan(bytesAnyway)
}
