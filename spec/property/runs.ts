import { vi } from 'vitest'

const { FUZZ_RUNS } = process.env
const asked = Number(FUZZ_RUNS)

/** How often a property is tried: FUZZ_RUNS, where it is set, says it for all of them. */
export function runs(usual: number): number {
  if (!(Number.isSafeInteger(asked) && asked > 0)) return usual
  vi.setConfig({ testTimeout: 20_000 + asked * 100 })
  return asked
}
