// What does a connection cost where the limit of 1 to 10,000 is always reached? `npm run bench -- limits`
import type { Benchmark, Load, WorkRow } from './harness/benchmark.ts'
import { nodeRival, ours } from './harness/side.ts'

const atOnce = 64

// 64 that come and go; the rest of the limit is taken by those who are there and say nothing.
function full(limit: number): Load {
  const idle = Math.max(0, limit - atOnce)
  return { generator: 'load-connect', options: { atOnce, line: 'what is the time of day, please?\n', idle } }
}

function row(limit: number): WorkRow {
  return {
    work: `connect, a line, close; limit ${limit.toLocaleString('en')}`,
    unit: 'connection',
    ours: ours('connect', String(limit)),
    rival: nodeRival('node:net', 'node-net-connect'),
    load: full(limit),
    at: limit,
    smokeLoad: full(Math.min(limit, 100))
  }
}

export const benchmark: Benchmark = {
  name: 'limits',
  question: 'What does a connection cost where the limit of 1 to 10,000 is always reached?',
  rows: [row(1), row(10), row(100), row(1_000), row(10_000)]
}
