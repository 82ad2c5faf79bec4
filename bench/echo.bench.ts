// What does it cost to send back what came, message by message and in bulk? `npm run bench -- echo`
import type { Benchmark, Goal, Load, WorkRow } from './harness/benchmark.ts'
import { bunRival, denoRival, nodeRival, ours, pythonRival, type Side } from './harness/side.ts'

const messages: Load = { generator: 'load-echo', options: { connections: 64, block: 64, lines: 1 } }
const chunks: Load = { generator: 'load-echo', options: { connections: 8, block: 65_536, lines: 1 } }
const node = nodeRival('node:net', 'node-net-echo')
const deno = denoRival('Deno.listen', 'echo')
const bun = bunRival('Bun.listen', 'echo')

function message(rival: Side, atMost?: number): WorkRow {
  const goal: Goal | undefined = atMost === undefined ? undefined : { measure: 'cpu', atMost }
  return {
    work: 'echo, 64 B on 64 connections',
    unit: 'message',
    ours: ours('echo'),
    rival,
    load: messages,
    ...(goal === undefined ? {} : { goal })
  }
}

function chunk(rival: Side, atLeast: number): WorkRow {
  return {
    work: 'echo, 64 KiB on 8 connections',
    unit: 'chunk',
    ours: ours('echo'),
    rival,
    load: chunks,
    goal: { measure: 'throughput', atLeast },
    morePairs: 3
  }
}

export const benchmark: Benchmark = {
  name: 'echo',
  question: 'What does it cost to send back what came, message by message and in bulk?',
  rows: [
    message(node, 0.75),
    message(nodeRival('node:net, for await', 'node-net-for-await'), 0.45),
    message(deno, 0.95),
    message(bun, 1.25),
    message(pythonRival('asyncio.Protocol', 'asyncio-echo'), 0.6),
    // It reads into memory of its own, where the other gets new memory for each message.
    message(pythonRival('asyncio.BufferedProtocol', 'asyncio-buffered-echo')),
    message(pythonRival('ThreadingTCPServer', 'echo'), 0.25),
    chunk(node, 1.2),
    chunk(deno, 0.8),
    chunk(bun, 0.8)
  ]
}
