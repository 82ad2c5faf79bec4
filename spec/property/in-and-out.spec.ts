import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { startChild } from '../support/live-child.ts'
import { temporaryPath } from '../support/peers.ts'

const { CONNECTIONS } = process.env
const asked = Number(CONNECTIONS)
const connections = asked > 0 ? asked : 20_000

// What is asked for may take its time.
vi.setConfig({ testTimeout: 60_000 + connections / 2 })

// The engine gives the young more room as it sees how many there are, up to what this says: memory would grow by that.
const execArgv = ['--max-semi-space-size=1']

interface Look {
  readonly heapUsed: number
  readonly external: number
  readonly rss: number
  readonly fds: number
  readonly stats: Record<'accepted' | 'served' | 'failed' | 'refused' | 'open' | 'waiting', number>
}

const tools = new URL('pools/quick-echo.mjs', import.meta.url)

const server = (path: string, backend: string): string => `
  import { createInterface } from 'node:readline'
  import { left } from ${JSON.stringify(tools.href)}
  const server = await new lib.UnixStreamServer({
    path: '${path}', backend: '${backend}', maxConnectionsPerAddress: 100, idleTimeout: 30_000, requestTimeout: 60_000
  }).listen()
  server.handleError = () => {}
  console.log('listens')
  createInterface({ input: process.stdin }).on('line', async () => {
    await server.waitForConnections((open) => open === 0)
    console.log(JSON.stringify({ ...await left(), stats: server.stats() }))
  })
  const handler = async ({ rfile, wfile }) => {
    const line = await rfile.readLine()
    if (line !== undefined) await wfile.write(line)
  }
  for await (const _ of lib.parallel(handler, { limit: 1_000 })(server));
`

// Eight at a time: most ask and are answered, some go without a word, some do not read their answer.
const client = `
import socket, sys
path, many = sys.argv[1], int(sys.argv[2])
for begun in range(0, many, 8):
    peers = [socket.socket(socket.AF_UNIX) for _ in range(min(8, many - begun))]
    for peer in peers: peer.connect(path)
    for n, peer in enumerate(peers):
        if n != 3: peer.sendall(b'ping\\n')
    for n, peer in enumerate(peers):
        if n != 3 and n != 5: assert peer.recv(64) == b'ping\\n'
        peer.close()
`

async function pass(path: string, many: number): Promise<void> {
  const half = Math.floor(many / 2)
  const codes = [half, many - half].map(async (share) => {
    const peer = spawn('python3', ['-c', client, path, String(share)], { stdio: ['ignore', 'inherit', 'inherit'] })
    return (await once(peer, 'exit'))[0] as number | null
  })
  expect(await Promise.all(codes)).toEqual([0, 0])
}

describe.for(['native', 'node'])(`${connections} connections in and out (%s)`, (backend) => {
  it('leave memory within a tenth, and descriptors as they were', async () => {
    const path = temporaryPath()
    const child = startChild(server(path, backend), { execArgv })
    await child.line()
    const look = async (): Promise<Look> => {
      child.say('look')
      return JSON.parse(await child.line()) as Look
    }
    const looks: Look[] = []
    const warm = Math.max(5_000, Math.floor(connections / 10))
    await pass(path, warm)
    looks.push(await look())
    const begun = performance.now()
    for (let i = 0; i < 2; i++) {
      await pass(path, connections / 2)
      looks.push(await look())
    }
    const each = ((performance.now() - begun) * 1_000) / connections
    if (asked > 0) process.stderr.write(`${backend} ${each.toFixed(1)} µs each ${JSON.stringify(looks)}\n`)
    const [before, , after] = looks as [Look, Look, Look]
    expect(after.fds).toBe(before.fds)
    expect(after.heapUsed).toBeLessThan(before.heapUsed * 1.1)
    expect(after.rss).toBeLessThan(before.rss * 1.1)
    const { accepted, served, failed, refused, open, waiting } = after.stats
    expect([accepted, open, waiting]).toEqual([connections + warm, 0, 0])
    expect(served + failed + refused).toBe(accepted)
  })
})
