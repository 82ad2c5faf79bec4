// How late is a timer of 10 ms under a flood of UDP datagrams? `npm run bench -- flood`
import type { Benchmark, Figure, FigureRow, Load } from './harness/benchmark.ts'
import { nodeRival, ours } from './harness/side.ts'

// More than either side can serve: what is too much is the kernel's to drop.
const counters: Load = { generator: 'load-flood', options: { perSecond: 250_000, names: 1_024 } }
const hashes: Load = { generator: 'load-flood', options: { perSecond: 50_000, names: 1_024 } }
// About a tenth of a millisecond
const rounds = '400'

const figures: Figure[] = [
  { name: '10 ms timer late by, median', noted: 'lateness', quantile: 0.5, unit: 'ms' },
  { name: '10 ms timer late by, p99', noted: 'lateness', quantile: 0.99, unit: 'ms' },
  { name: '10 ms timer late by, max', noted: 'lateness', quantile: 1, unit: 'ms' },
  { name: 'datagrams served', noted: 'served', quantile: 0.5, unit: 'a second' },
  { name: 'CPU of a datagram served', noted: 'cpu', quantile: 0.5, unit: 'µs' }
]

function added(backend: string): FigureRow {
  return {
    work: `250,000 a second, added up, backend ${backend}`,
    ours: ours('counters', backend, '0'),
    rival: nodeRival('node:dgram', 'node-dgram-counters', '0'),
    load: counters,
    figures,
    time: 2
  }
}

function hashed(backend: string): FigureRow {
  return {
    work: `50,000 a second, 0.1 ms of work each, backend ${backend}`,
    ours: ours('counters', backend, rounds),
    rival: nodeRival('node:dgram', 'node-dgram-counters', rounds),
    load: hashes,
    figures,
    time: 2
  }
}

export const benchmark: Benchmark = {
  name: 'flood',
  question: 'How late is a timer of 10 ms under a flood of UDP datagrams?',
  rows: [added('native'), hashed('native'), added('node'), hashed('node')]
}
