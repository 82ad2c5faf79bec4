// What does a message of 16 B to 1 MiB cost? `npm run bench -- sizes`
import type { Benchmark, WorkRow } from './harness/benchmark.ts'
import { nodeRival, ours } from './harness/side.ts'

function row(size: string, block: number): WorkRow {
  return {
    work: `${size} on 16 connections`,
    unit: 'message',
    ours: ours('echo'),
    rival: nodeRival('node:net', 'node-net-echo'),
    load: { generator: 'load-echo', options: { connections: 16, block, lines: 1 } },
    at: block
  }
}

export const benchmark: Benchmark = {
  name: 'sizes',
  question: 'What does a message of 16 B to 1 MiB cost?',
  rows: [row('16 B', 16), row('256 B', 256), row('4 KiB', 4_096), row('64 KiB', 65_536), row('1 MiB', 1_048_576)]
}
