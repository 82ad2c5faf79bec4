import { vi } from 'vitest'

const { FUZZ_RUNS } = process.env
const asked = Number(FUZZ_RUNS)
const many = Number.isSafeInteger(asked) && asked > 0

// What is asked for may take its time.
if (many) vi.setConfig({ testTimeout: 20_000 + asked * 100 })

/** How often a property is tried: FUZZ_RUNS, where it is set, says it for all of them. */
export function runs(usual: number): number {
  return many ? asked : usual
}
