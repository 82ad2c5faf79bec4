// What does it cost to send a datagram back, by UDP and by Unix sockets? `npm run bench -- datagrams`
import type { Benchmark, Goal, Load, WorkRow } from './harness/benchmark.ts'
import { bunRival, denoRival, nodeRival, ours, pythonRival, type Side } from './harness/side.ts'

const load: Load = { generator: 'load-datagrams', options: { clients: 4, window: 32, size: 64 } }
// A hundred thousand of them take a second.
const time = 0.5
const node = nodeRival('node:dgram', 'node-dgram-echo')

function datagram(work: string, own: string, rival: Side, goal?: Goal): WorkRow {
  return { work, unit: 'datagram', ours: ours(own), rival, load, time, ...(goal === undefined ? {} : { goal }) }
}

function udp(rival: Side, goal?: Goal): WorkRow {
  return datagram('UDP echo, 64 B, 128 under way', 'udp-echo', rival, goal)
}

export const benchmark: Benchmark = {
  name: 'datagrams',
  question: 'What does it cost to send a datagram back, by UDP and by Unix sockets?',
  rows: [
    udp(node, { measure: 'cpu', atMost: 0.45 }),
    udp(bunRival('Bun.udpSocket', 'udp-echo'), { measure: 'cpu', atMost: 0.9 }),
    // As its documentation has it: each datagram gets new memory.
    udp(denoRival('Deno.listenDatagram, for await', 'udp-for-await'), { measure: 'cpu', atMost: 0.2 }),
    udp(denoRival('Deno.listenDatagram, receive', 'udp-receive')),
    udp(pythonRival('UDPServer', 'udp-echo'), { measure: 'cpu', atMost: 0.35 }),
    udp(pythonRival('asyncio.DatagramProtocol', 'asyncio-udp-echo')),
    datagram('UDP echo by backend node, 64 B, 128 under way', 'udp-echo-node', node),
    datagram('Unix datagram echo against UDP, 64 B, 128 under way', 'unix-datagram-echo', node, {
      measure: 'cpu',
      atMost: 0.5
    })
  ]
}
