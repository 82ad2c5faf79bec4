// What does a line cost where 1 to 64 are pipelined? `npm run bench -- pipelining`
import type { Benchmark, WorkRow } from './harness/benchmark.ts'
import { nodeRival, ours } from './harness/side.ts'

function row(depth: number): WorkRow {
  return {
    work: `${depth} line${depth === 1 ? '' : 's'} of 32 B on 64 connections`,
    unit: 'line',
    ours: ours('lines'),
    rival: nodeRival('node:net', 'node-net-lines'),
    load: { generator: 'load-echo', options: { connections: 64, block: depth * 32, lines: depth } },
    at: depth
  }
}

export const benchmark: Benchmark = {
  name: 'pipelining',
  question: 'What does a line cost where 1 to 64 are pipelined?',
  rows: [row(1), row(4), row(16), row(64)]
}
