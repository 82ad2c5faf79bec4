// What does a mode cost for each request, and does it grow with its limit? `npm run bench -- stage`
import type { Benchmark, Load, WorkRow } from './harness/benchmark.ts'
import { nodeRival, ours } from './harness/side.ts'

const load: Load = { generator: 'load-own-work', options: {} }

// As many requests as the limit allows are under way all the time.
function against(rival: 'bare' | 'it-parallel', limit: number): WorkRow {
  const common = { work: `parallel, limit ${limit}`, unit: 'request', ours: ours('stage', `${limit}`), load }
  return rival === 'bare'
    ? { ...common, rival: nodeRival('for await', 'bare-loop', `${limit}`), goal: { measure: 'extra', atMost: 1 } }
    : { ...common, rival: nodeRival('it-parallel', 'it-parallel', `${limit}`) }
}

const limits = [1, 10, 100, 1_000, 10_000]

export const benchmark: Benchmark = {
  name: 'stage',
  question: 'What does a mode cost for each request, and does it grow with its limit?',
  rows: [...limits.map((limit) => against('bare', limit)), ...limits.map((limit) => against('it-parallel', limit))]
}
