// What does a whole connection cost: accept, one line, its answer, close? `npm run bench -- connect`
import type { Benchmark, Goal, Load, WorkRow } from './harness/benchmark.ts'
import { bunRival, denoRival, nodeRival, ours, pythonRival, type Side } from './harness/side.ts'

const load: Load = {
  generator: 'load-connect',
  options: { atOnce: 64, line: 'what is the time of day, please?\n' }
}

function visit(rival: Side, goal?: Goal): WorkRow {
  return {
    work: 'connect, a line, close',
    unit: 'connection',
    ours: ours('connect'),
    rival,
    load,
    ...(goal === undefined ? {} : { goal })
  }
}

export const benchmark: Benchmark = {
  name: 'connect',
  question: 'What does a whole connection cost: accept, one line, its answer, close?',
  rows: [
    visit(nodeRival('node:net', 'node-net-connect'), { measure: 'cpu', atMost: 0.9 }),
    visit(denoRival('Deno.listen', 'connect')),
    visit(bunRival('Bun.listen', 'connect')),
    visit(pythonRival('ThreadingTCPServer', 'connect', 'ThreadingTCPServer')),
    visit(pythonRival('TCPServer', 'connect', 'TCPServer')),
    visit(pythonRival('ForkingTCPServer', 'connect', 'ForkingTCPServer')),
    // Several processes against our one: what it costs to pass connections on.
    visit(nodeRival('node:cluster', 'node-cluster-connect'))
  ]
}
