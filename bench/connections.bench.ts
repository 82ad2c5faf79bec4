// What does a message cost where there are 1 to 10,000 connections? `npm run bench -- connections`
import type { Benchmark, Goal, Load, WorkRow } from './harness/benchmark.ts'
import { nodeRival, ours } from './harness/side.ts'

// Each has one message under way at any time. By one or ten of them no server is kept busy: it waits for the client, and
// pays for waking up.
function each(connections: number): Load {
  return { generator: 'load-echo', options: { connections, block: 64, lines: 1 } }
}

function row(connections: number, goal?: Goal): WorkRow {
  return {
    work: `64 B on ${connections.toLocaleString('en')} connection${connections === 1 ? '' : 's'}`,
    unit: 'message',
    ours: ours('echo'),
    rival: nodeRival('node:net', 'node-net-echo'),
    load: each(connections),
    at: connections,
    smokeLoad: each(Math.min(connections, 100)),
    ...(goal === undefined ? {} : { goal })
  }
}

export const benchmark: Benchmark = {
  name: 'connections',
  question: 'What does a message cost where there are 1 to 10,000 connections?',
  rows: [row(1), row(10), row(100), row(1_000), row(10_000, { measure: 'cpu', atMost: 0.85 })]
}
