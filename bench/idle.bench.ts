// What memory do idle connections take, and what does another connection cost beside them? `npm run bench -- idle`
import type { Benchmark, Figure, FigureRow, Load } from './harness/benchmark.ts'
import { nodeRival, ours } from './harness/side.ts'

const line = 'what is the time of day, please?\n'
// Some of them in a rehearsal
const few = 100

const resident = 'resident memory for each'
const heap = 'alive on the heap for each'
const reached = 1.25

// Below, the megabytes that any process takes for itself as it begins to work are more than all of them together.
const tellsOnResident = 1_000

function figures(connections: number): Figure[] {
  const alive: Figure = { name: heap, noted: 'heap', quantile: 0.5, unit: 'KiB' }
  if (connections < tellsOnResident) return [alive]
  const goal = connections === 10_000 ? { ratioAtMost: reached } : {}
  return [{ name: resident, noted: 'resident', quantile: 0.5, unit: 'KiB', ...goal }, alive]
}

interface Situation {
  /** What is told of them */
  work: string
  connections: number
  server?: string
  said?: string
}

function row({ work, connections, server, said }: Situation): FigureRow {
  const load = (count: number): Load => ({
    generator: 'load-idle',
    options: { connections: count, ...(said === undefined ? {} : { line: said }) }
  })
  return {
    work: `${connections.toLocaleString('en')} connections, ${work}`,
    ours: ours('idle', ...(server === undefined ? [] : [server])),
    rival: nodeRival('node:net', 'node-net-idle'),
    load: load(connections),
    figures: figures(connections),
    // Memory that has settled is the same in each turn.
    time: 0.1,
    smokeLoad: load(few)
  }
}

function visits(idle: number): Load {
  return { generator: 'load-connect', options: { atOnce: 64, line, idle } }
}

export const benchmark: Benchmark = {
  name: 'idle',
  question: 'What memory do idle connections take, and what does another connection cost beside them?',
  rows: [
    { ...row({ work: 'parked in readLine()', connections: 100 }), at: 100 },
    { ...row({ work: 'parked in readLine()', connections: 1_000 }), at: 1_000 },
    { ...row({ work: 'parked in readLine()', connections: 10_000 }), at: 10_000 },
    row({ work: 'not read by their handlers', connections: 10_000, server: 'untouched' }),
    row({ work: 'after a line each', connections: 10_000, said: line }),
    {
      work: 'connect, a line, close; 10,000 idle ones are open',
      unit: 'connection',
      ours: ours('connect', 'Infinity'),
      rival: nodeRival('node:net', 'node-net-connect'),
      load: visits(10_000),
      smokeLoad: visits(few)
    }
  ]
}
