// How long do 990 connections wait for their answers while 10 others flood? `npm run bench -- fairness`
import type { Benchmark, Figure, FigureRow, Load } from './harness/benchmark.ts'
import { nodeRival, ours } from './harness/side.ts'

function load(others: number): Load {
  return { generator: 'load-fairness', options: { floods: 10, window: 262_144, others, every: [100, 500], size: 64 } }
}

// From when a line was due to when its answer is there.
const figures: Figure[] = [
  { name: 'answered after, median', noted: 'latency', quantile: 0.5, unit: 'ms' },
  { name: 'answered after, p99', noted: 'latency', quantile: 0.99, unit: 'ms', ratioAtMost: 1 },
  { name: 'answered after, max', noted: 'latency', quantile: 1, unit: 'ms' },
  { name: 'sent late by, p99', noted: 'late', quantile: 0.99, unit: 'ms' },
  { name: 'flooded lines answered', noted: 'flooded', quantile: 0.5, unit: 'a second' }
]

function row(work: string, server: string, rival: string): FigureRow {
  return {
    work,
    ours: ours(server),
    rival: nodeRival('node:net', rival),
    load: load(990),
    smokeLoad: load(90),
    figures,
    notedBy: 'load',
    time: 2
  }
}

export const benchmark: Benchmark = {
  name: 'fairness',
  question: 'How long do 990 connections wait for their answers while 10 others flood?',
  rows: [row('line by line', 'lines', 'node-net-lines'), row('chunk by chunk', 'echo', 'node-net-echo')]
}
