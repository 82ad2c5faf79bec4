// What does a line cost that is awaited and answered by itself while 16 are pipelined? `npm run bench -- lines`
import type { Benchmark, Goal, Load, WorkRow } from './harness/benchmark.ts'
import { nodeRival, ours, pythonRival, type Side } from './harness/side.ts'

const load: Load = { generator: 'load-echo', options: { connections: 64, block: 16 * 32, lines: 16 } }

function pipelined(rival: Side, goal?: Goal): WorkRow {
  return {
    work: '16 pipelined lines of 32 B on 64 connections',
    unit: 'line',
    ours: ours('lines'),
    rival,
    load,
    ...(goal === undefined ? {} : { goal })
  }
}

export const benchmark: Benchmark = {
  name: 'lines',
  question: 'What does a line cost that is awaited and answered by itself while 16 are pipelined?',
  rows: [
    pipelined(nodeRival('node:net', 'node-net-lines'), { measure: 'cpu', atMost: 0.2 }),
    pipelined(nodeRival('node:readline, for await', 'node-readline-lines'), { measure: 'cpu', atMost: 0.1 }),
    pipelined(nodeRival("node:readline, 'line' events", 'node-readline-events-lines')),
    pipelined(pythonRival('ThreadingTCPServer', 'lines'), { measure: 'cpu', atMost: 0.1 })
  ]
}
