import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { startChild } from '../../support/live-child.ts'

/** What a process or a thread has, when all that can be collected was. */
interface Left {
  readonly pid: number
  readonly threadId: number
  readonly heapUsed: number
  readonly external: number
  readonly rss: number
  readonly fds: number
}

const { PASSES } = process.env
const asked = Number(PASSES)
const passes = asked > 0 ? asked : 3_000
const atOnce = 16

// What is asked for may take its time.
vi.setConfig({ testTimeout: 30_000 + passes * 2 })

// A leak of a connection is kilobytes each; what the engine keeps of its own is less than that for all of them.
const bytesEach = 100
const bytesAnyway = 2_000_000

// Those who ask have connections, too.
const descriptorsAnyway = 8

const handler = new URL('quick-echo.mjs', import.meta.url)

const modes = {
  forked: '{ maxChildren: 2, maxRequestsPerChildInFlight: 8 }',
  threads: '{ size: 2, limit: 16 }'
}

/** The process of a server: it says what it has when it is given a line. */
const server = (mode: keyof typeof modes, backend: string): string => `
  import { createInterface } from 'node:readline'
  import { left } from ${JSON.stringify(handler.href)}
  const server = await new lib.TCPServer({ host: '127.0.0.1', port: 0, backend: '${backend}' }).listen()
  console.log(server.address.port)
  createInterface({ input: process.stdin }).on('line', async () => console.log(JSON.stringify(await left())))
  for await (const { status, reason } of lib.${mode}(new URL(${JSON.stringify(handler.href)}), ${modes[mode]})(server)) {
    if (status !== 'fulfilled') throw reason
  }
`

function ask(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (text) => {
      answer += text
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
    socket.write(`${line}\n`)
  })
}

async function pass(port: number, many: number): Promise<void> {
  let left = many
  const clients = Array.from({ length: atOnce }, async () => {
    while (left-- > 0) expect(await ask(port, 'ping')).toBe('ping\n')
  })
  await Promise.all(clients)
}

/** What both workers have left. */
async function leftToWorkers(port: number): Promise<Left[]> {
  const found = new Map<string, Left>()
  while (found.size < 2) {
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask(port, 'what is left?')))
    for (const left of answers.map((answer) => JSON.parse(answer) as Left)) {
      found.set(`${left.pid} ${left.threadId}`, left)
    }
  }
  return Array.from(found.keys())
    .sort()
    .map((key) => found.get(key) as Left)
}

describe.for(['forked', 'threads'] as const)('%s', (mode) => {
  it.for(['native', 'node'])(`keeps nothing of ${passes} connections (%s)`, async (backend) => {
    const child = startChild(server(mode, backend))
    const port = Number(await child.line())
    const look = async (): Promise<Left[]> => {
      const workers = await leftToWorkers(port)
      child.say('look')
      return [JSON.parse(await child.line()) as Left, ...workers]
    }
    const warm = Math.ceil(passes / 10)
    await pass(port, warm)
    const before = await look()
    await pass(port, Math.floor(passes / 2) - warm)
    if (asked > 0) process.stderr.write(`${mode} ${backend} ${JSON.stringify([before, await look()])}\n`)
    await pass(port, Math.ceil(passes / 2))
    const after = await look()
    if (asked > 0) process.stderr.write(`${mode} ${backend} ${JSON.stringify(after)}\n`)
    for (const [i, { pid, threadId, heapUsed, fds }] of after.entries()) {
      const earlier = before[i] as Left
      expect([pid, threadId]).toEqual([earlier.pid, earlier.threadId])
      expect(heapUsed).toBeLessThan(earlier.heapUsed + bytesAnyway + passes * bytesEach)
      expect(fds).toBeLessThanOrEqual(earlier.fds + descriptorsAnyway)
    }
  })
})
