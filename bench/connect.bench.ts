// What does a whole connection cost: accept, one line, its answer, close? `npm run bench -- connect`
import type { Benchmark, Load } from './harness/benchmark.ts'
import { nodeRival, ours, pythonRival } from './harness/side.ts'

const visits: Load = {
  generator: 'load-connect',
  options: { atOnce: 64, line: 'what is the time of day, please?\n' }
}

export const benchmark: Benchmark = {
  name: 'connect',
  question: 'What does a whole connection cost: accept, one line, its answer, close?',
  rows: [
    {
      work: 'connect, a line, close',
      unit: 'connection',
      ours: ours('connect'),
      rival: nodeRival('node:net', 'node-net-connect'),
      load: visits,
      goal: { measure: 'cpu', atMost: 0.9 }
    },
    {
      work: 'connect, a line, close',
      unit: 'connection',
      ours: ours('connect'),
      rival: pythonRival('ThreadingTCPServer', 'connect'),
      load: visits
    }
  ]
}
