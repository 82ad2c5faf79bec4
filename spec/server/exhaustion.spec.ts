import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type LiveChild, startChild } from '../support/live-child.ts'

// Its figures, and what it costs meanwhile, for whoever wants to see them.
const { SHOW } = process.env

const [inside, outside] = [20, 100]
const descriptors = 64

/** What the server is made with: nothing keeps it from its last descriptor. */
const options = (backend: string): string => `{ host: '127.0.0.1', port: 0, backend: '${backend}' }`

/** A process with a server of echoes, and few descriptors. It prints each error on accepting; asked, what has become of it. */
const server = (backend: string): string => `
  import { execFileSync } from 'node:child_process'
  import { subscribe } from 'node:diagnostics_channel'
  import { createInterface } from 'node:readline'
  const server = await new lib.TCPServer(${options(backend)}).listen()
  execFileSync('prlimit', ['--nofile=${descriptors}', '--pid', String(process.pid)])
  let since = performance.now()
  let before = process.cpuUsage()
  let errors = 0
  subscribe('it-socketserver:accept-error', ({ error, verdict }) => {
    errors++
    console.log(error.code + ' ' + verdict)
  })
  createInterface({ input: process.stdin }).on('line', (word) => {
    if (word === 'look') {
      const { user, system } = process.cpuUsage(before)
      const elapsed = performance.now() - since
      console.log(JSON.stringify({ ...server.stats(), errors, elapsed, cpu: (user + system) / 1_000 / elapsed }))
    }
    since = performance.now()
    before = process.cpuUsage()
  })
  console.log(server.address.port)
  await server.serveForever(lib.parallel(async ({ rfile, wfile }) => {
    for await (const line of rfile.lines()) await wfile.write(line)
  }, { limit: 1_000 }))
`

interface Looked {
  readonly accepted: number
  readonly open: number
  readonly refused: number
  readonly failed: number
  readonly errors: number
  readonly elapsed: number
  readonly cpu: number
}

/** A client that asks for echoes, and is told how it ended. */
class Client {
  readonly #socket: Socket
  /** Settles when it has an answer, or its end. */
  readonly fate: Promise<'served' | 'shed'>

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    onTestFinished(() => void this.#socket.destroy())
    this.#socket.on('error', () => {})
    this.#socket.write('hello\n')
    this.fate = new Promise((resolve) => {
      this.#socket.once('data', () => resolve('served'))
      this.#socket.once('close', () => resolve('shed'))
    })
  }

  async connected(): Promise<void> {
    if (this.#socket.connecting) await once(this.#socket, 'connect').catch(() => {})
  }

  async echo(text: string): Promise<string> {
    this.#socket.write(`${text}\n`)
    const [bytes] = (await once(this.#socket, 'data')) as [Buffer]
    return String(bytes)
  }

  async leave(): Promise<void> {
    if (this.#socket.closed) return
    this.#socket.end().resume()
    await once(this.#socket, 'close')
  }
}

/** What the server says when it is asked; lines on the way, of errors, are skipped. */
async function look(child: LiveChild): Promise<Looked> {
  child.say('look')
  for (;;) {
    const line = await child.line()
    if (line.startsWith('{')) return JSON.parse(line) as Looked
  }
}

async function traffic(clients: readonly Client[], rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const said = await Promise.all(clients.map((client, i) => client.echo(`${i}.${round}`)))
    expect(said).toEqual(clients.map((_, i) => `${i}.${round}\n`))
  }
}

describe.for(['native', 'node'] as const)('a server that has no descriptor left (%s)', (backend) => {
  it('leaves alone those who are inside, and serves others again by itself', async () => {
    const child = startChild(server(backend))
    const port = Number(await child.line())
    const held = Array.from({ length: inside }, () => new Client(port))
    expect(await Promise.all(held.map(({ fate }) => fate))).toEqual(Array(inside).fill('served'))
    child.say('from now on')
    const others = Array.from({ length: outside }, () => new Client(port))
    const fates: string[] = []
    for (const { fate } of others) void fate.then((word) => fates.push(word))
    await Promise.all(others.map((client) => client.connected()))
    if (backend === 'native') {
      // Told at once, and then once a second: it tries again, more and more seldom.
      for (let i = 0; i < 3; i++) expect(await child.line()).toBe('EMFILE wait')
    } else {
      while (fates.length < outside) await Promise.race(others.map(({ fate }) => fate)).then(() => traffic(held, 1))
    }
    await traffic(held, 20)

    const during = await look(child)
    const served = fates.filter((word) => word === 'served').length
    if (SHOW !== undefined) process.stderr.write(`${backend} ${served} ${JSON.stringify(during)}\n`)
    // All descriptors were given away, but those of the process itself.
    expect(served).toBeGreaterThan(0)
    expect(inside + served).toBeLessThan(descriptors)
    expect(during).toMatchObject({ open: inside + served, accepted: inside + served, failed: 0, refused: 0 })
    if (backend === 'native') {
      // The others wait in the kernel.
      expect(fates).toHaveLength(served)
      expect(during.errors).toBeLessThanOrEqual(2 + during.elapsed / 1_000)
    } else {
      // libuv has accepted the others and closed them, and told nobody.
      expect(fates.filter((word) => word === 'shed')).toHaveLength(outside - served)
      expect(during.errors).toBe(0)
    }

    // Each leaves when it was served: there is room for the next.
    const leaving = others.map(async (client) => {
      const fate = await client.fate
      await client.leave()
      return fate
    })
    await Promise.all(leaving)
    expect(fates.filter((word) => word === 'served')).toHaveLength(backend === 'native' ? outside : served)
    await traffic(held, 5)
    const late = new Client(port)
    expect(await late.fate).toBe('served')
    await late.leave()
    expect(await look(child)).toMatchObject({ open: inside, failed: 0, refused: 0 })
  })
})
