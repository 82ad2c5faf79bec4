// How late is a timer of 10 ms under a flood of UDP datagrams? `npm run bench -- flood`
import type { Benchmark, Figure, Load } from './harness/benchmark.ts'
import { nodeRival, ours } from './harness/side.ts'

// 250,000 a second are more than either side can serve: what is too much is the kernel's to drop.
const load: Load = { generator: 'load-flood', options: { perSecond: 250_000, names: 1_024 } }
const rival = nodeRival('node:dgram', 'node-dgram-counters')

const figures: Figure[] = [
  { name: '10 ms timer late by, median', noted: 'lateness', quantile: 0.5, unit: 'ms' },
  { name: '10 ms timer late by, p99', noted: 'lateness', quantile: 0.99, unit: 'ms' },
  { name: '10 ms timer late by, max', noted: 'lateness', quantile: 1, unit: 'ms' },
  { name: 'datagrams served', noted: 'served', quantile: 0.5, unit: 'a second' },
  { name: 'CPU of a datagram served', noted: 'cpu', quantile: 0.5, unit: 'µs' }
]

export const benchmark: Benchmark = {
  name: 'flood',
  question: 'How late is a timer of 10 ms under a flood of UDP datagrams?',
  rows: [
    { work: '250,000 a second', ours: ours('counters', 'native'), rival, load, figures, time: 2 },
    { work: '250,000 a second, by backend node', ours: ours('counters', 'node'), rival, load, figures, time: 2 }
  ]
}
