// What does it cost to send a datagram back, by UDP and by Unix sockets? `npm run bench -- datagrams`
import type { Benchmark, Load } from './harness/benchmark.ts'
import { nodeRival, ours, pythonRival } from './harness/side.ts'

const load: Load = { generator: 'load-datagrams', options: { clients: 4, window: 32, size: 64 } }
// A hundred thousand of them take a second.
const time = 0.5
const node = nodeRival('node:dgram', 'node-dgram-echo')

export const benchmark: Benchmark = {
  name: 'datagrams',
  question: 'What does it cost to send a datagram back, by UDP and by Unix sockets?',
  rows: [
    {
      work: 'UDP, 64 B, 128 under way',
      unit: 'datagram',
      ours: ours('udp-echo'),
      rival: node,
      load,
      time,
      goal: { measure: 'cpu', atMost: 0.45 }
    },
    {
      work: 'UDP, 64 B, 128 under way',
      unit: 'datagram',
      ours: ours('udp-echo'),
      rival: pythonRival('UDPServer', 'udp-echo'),
      load,
      time,
      goal: { measure: 'cpu', atMost: 0.35 }
    },
    {
      work: 'UDP by backend node, 64 B, 128 under way',
      unit: 'datagram',
      ours: ours('udp-echo-node'),
      rival: node,
      load,
      time
    },
    {
      work: 'Unix, against UDP, 64 B, 128 under way',
      unit: 'datagram',
      ours: ours('unix-datagram-echo'),
      rival: node,
      load,
      time,
      goal: { measure: 'cpu', atMost: 0.5 }
    }
  ]
}
