// What does it cost to send back what came, message by message and in bulk? `npm run bench -- echo`
import type { Benchmark, Load } from './harness/benchmark.ts'
import { nodeRival, ours, pythonRival } from './harness/side.ts'

const messages: Load = { generator: 'load-echo', options: { connections: 64, block: 64, lines: 1 } }
const chunks: Load = { generator: 'load-echo', options: { connections: 8, block: 65_536, lines: 1 } }
const node = nodeRival('node:net', 'node-net-echo')

export const benchmark: Benchmark = {
  name: 'echo',
  question: 'What does it cost to send back what came, message by message and in bulk?',
  rows: [
    {
      work: '64 B on 64 connections',
      unit: 'message',
      ours: ours('echo'),
      rival: node,
      load: messages,
      goal: { measure: 'cpu', atMost: 0.75 }
    },
    {
      work: '64 B on 64 connections',
      unit: 'message',
      ours: ours('echo'),
      rival: pythonRival('ThreadingTCPServer', 'echo'),
      load: messages,
      goal: { measure: 'cpu', atMost: 0.25 }
    },
    {
      work: '64 KiB on 8 connections',
      unit: 'chunk',
      ours: ours('echo'),
      rival: node,
      load: chunks,
      goal: { measure: 'throughput', atLeast: 1.2 },
      morePairs: 3
    }
  ]
}
