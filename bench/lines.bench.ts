// What does a line cost that is awaited and answered by itself while 16 are pipelined? `npm run bench -- lines`
import type { Benchmark, Load } from './harness/benchmark.ts'
import { nodeRival, ours, pythonRival } from './harness/side.ts'

const pipelined: Load = { generator: 'load-echo', options: { connections: 64, block: 16 * 32, lines: 16 } }

export const benchmark: Benchmark = {
  name: 'lines',
  question: 'What does a line cost that is awaited and answered by itself while 16 are pipelined?',
  rows: [
    {
      work: '16 lines of 32 B on 64 connections',
      unit: 'line',
      ours: ours('lines'),
      rival: nodeRival('node:net', 'node-net-lines'),
      load: pipelined,
      goal: { measure: 'cpu', atMost: 0.2 }
    },
    {
      work: '16 lines of 32 B on 64 connections',
      unit: 'line',
      ours: ours('lines'),
      rival: pythonRival('ThreadingTCPServer', 'lines'),
      load: pipelined,
      goal: { measure: 'cpu', atMost: 0.1 }
    }
  ]
}
