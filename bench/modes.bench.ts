// What does a connection cost in each mode, and what do more cores do for one that computes? `npm run bench -- modes`
import type { Benchmark, Goal, Load, WorkRow } from './harness/benchmark.ts'
import { nodeRival, ours, pythonRival, type Side } from './harness/side.ts'

const line = 'what is the time of day, please?\n'
// What has begun is waited for at the end of a turn: where one takes long, a few at a time.
const atOnce = (atOnce: number): Load => ({ generator: 'load-connect', options: { atOnce, line } })

const net = nodeRival('node:net', 'node-net-connect')
const cluster = nodeRival('node:cluster', 'node-cluster-connect')
const forking = pythonRival('ForkingTCPServer', 'connect', 'ForkingTCPServer')
const threading = pythonRival('ThreadingTCPServer', 'connect', 'ThreadingTCPServer')

const forked = ours('modes', 'forked', 'line')
const threads = ours('modes', 'threads', 'line')

function visit(
  work: string,
  mode: Side,
  rival: Side,
  { goal, load = atOnce(64) }: { goal?: Goal; load?: Load } = {}
): WorkRow {
  return { work, unit: 'connection', ours: mode, rival, load, ...(goal === undefined ? {} : { goal }) }
}

const oneThread = nodeRival('node:net', 'node-net-computing')
const computingCluster = nodeRival('node:cluster', 'node-cluster-connect', 'computing')

function computing(mode: 'forked' | 'threads', rival: Side, goal?: Goal): WorkRow {
  const options = { load: atOnce(8), ...(goal === undefined ? {} : { goal }) }
  return visit(`computing, ${mode}`, ours('modes', mode, 'computing'), rival, options)
}

export const benchmark: Benchmark = {
  name: 'modes',
  question: 'What does a connection cost in each mode, and what do more cores do for one that computes?',
  rows: [
    visit('parallel', ours('modes', 'parallel'), net),
    visit('parallel', ours('modes', 'parallel'), threading),
    visit('reusePort, a process for each core', ours('prefork'), cluster),
    visit('forked', forked, cluster, { goal: { measure: 'throughput', atLeast: 0.9 } }),
    visit('forked', forked, forking, { goal: { measure: 'throughput', atLeast: 10 } }),
    visit('forked, a child for each request', ours('modes', 'fork-per-request', 'line'), forking, { load: atOnce(4) }),
    visit('threads', threads, cluster),
    visit('threads', threads, threading),
    computing('threads', oneThread, { measure: 'throughput', atLeast: 1.8 }),
    computing('forked', oneThread),
    computing('forked', computingCluster)
  ]
}
