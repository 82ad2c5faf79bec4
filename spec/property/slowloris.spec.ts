import { describe, expect, it, vi } from 'vitest'
import { startChild } from '../support/live-child.ts'
import { exchange } from '../support/peers.ts'

const { SLOW_CLIENTS } = process.env
const asked = Number(SLOW_CLIENTS)
const crowd = asked > 0 ? asked : 5_000

// Slow clients that send a byte every ten seconds are cut after as long as one likes to wait; here all goes by so much
// faster. Half of them are slower than the idleTimeout; the other half are not, and have the requestTimeout.
const idleTimeout = 1_200
const requestTimeout = 3_600
const slow = 10_000
const fast = 400

// What is asked for may take its time.
vi.setConfig({ testTimeout: 30_000 + crowd * 4 })

// A parked read and a few bytes; what the engine keeps anyway is less than that for all of them.
const heapEach = 6 * 1024
const heapAnyway = 8_000_000
const rssEach = 12 * 1024
const rssAnyway = 20_000_000

interface Look {
  readonly memory: { readonly heapUsed: number; readonly rss: number; readonly fds: number }
  readonly causes: Record<string, number>
  readonly served: number
  readonly open: number
}

const tools = new URL('pools/quick-echo.mjs', import.meta.url)

const server = (backend: string): string => `
  import { createInterface } from 'node:readline'
  import { left } from ${JSON.stringify(tools.href)}
  const server = await new lib.TCPServer({
    backend: '${backend}', backlog: 4_096, maxConnections: Infinity, maxPending: ${crowd},
    idleTimeout: ${idleTimeout}, requestTimeout: ${requestTimeout}
  }).listen()
  server.handleError = () => {}
  const causes = {}
  let served = 0
  console.log(server.address.port)
  createInterface({ input: process.stdin }).on('line', async () => {
    const { open } = server.stats()
    console.log(JSON.stringify({ memory: await left(), causes, served, open }))
  })
  const handler = async ({ rfile, wfile }) => wfile.write(await rfile.readLine() ?? '')
  for await (const outcome of lib.parallel(handler, { limit: Infinity })(server)) {
    if (outcome.status === 'fulfilled') served++
    else causes[outcome.reason.cause] = (causes[outcome.reason.cause] ?? 0) + 1
  }
`

/** The crowd: it comes in waves, so that the kernel's backlog does not overflow, and says how many of it were ended. */
const clients = (port: number): string => `
  import { connect } from 'node:net'
  let over = 0
  const come = (every) => new Promise((resolve) => {
    const socket = connect(${port}, '127.0.0.1', resolve).on('error', () => {})
    socket.write('x')
    const drip = setInterval(() => socket.write('x'), every)
    socket.resume().once('close', () => {
      clearInterval(drip)
      if (++over === ${crowd}) console.log('over')
    })
  })
  for (let i = 0; i < ${crowd}; i += 100) {
    const wave = Math.min(100, ${crowd} - i)
    await Promise.all(Array.from({ length: wave }, (_, n) => come(n % 2 === 0 ? ${slow} : ${fast})))
  }
  console.log('there')
  process.stdin.resume()
`

describe.for(['native', 'node'])(`${crowd} clients that send a byte now and then (%s)`, (backend) => {
  it('are cut off, every one, for being idle or for taking too long, and keep nobody out', async () => {
    const served = startChild(server(backend))
    const port = Number(await served.line())
    const look = async (): Promise<Look> => {
      served.say('look')
      return JSON.parse(await served.line()) as Look
    }
    const address = { family: 'IPv4', host: '127.0.0.1', port } as const
    let others = 0
    const another = async (): Promise<void> => {
      others++
      expect(await exchange(address, 'quick\n')).toBe('quick\n')
    }
    for (let i = 0; i < 20; i++) await another()
    const before = await look()
    const slowOnes = startChild(clients(port))
    expect(await slowOnes.line()).toBe('there')
    let isOver = false
    const over = slowOnes.line().then((line) => {
      isOver = true
      return line
    })
    await another()
    const full = await look()
    while (!isOver) await another()
    expect(await over).toBe('over')
    let after = await look()
    // The last of the others may linger for a moment.
    while (after.open > 0) after = await look()
    if (asked > 0) process.stderr.write(`${backend} ${JSON.stringify([before, full, after, others])}\n`)
    expect(full.memory.heapUsed).toBeLessThan(before.memory.heapUsed + heapAnyway + full.open * heapEach)
    expect(full.memory.rss).toBeLessThan(before.memory.rss + rssAnyway + full.open * rssEach)
    expect(after.memory.heapUsed).toBeLessThan(before.memory.heapUsed + heapAnyway)
    expect(after.memory.fds).toBeLessThanOrEqual(before.memory.fds + 1)
    const { idle = 0, timeout = 0, ...rest } = after.causes
    expect([idle + timeout, rest, after.served, after.open]).toEqual([crowd, {}, others, 0])
    // Those that were slower than the idleTimeout; a fast one may be late, where the machine is busy.
    expect(idle).toBeGreaterThanOrEqual(crowd / 2)
    expect(timeout).toBeGreaterThan(0)
    expect(others).toBeGreaterThan(21)
  })
})
