import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { bindSocket, boundAddress } from '../../lib/accept/native/bind-socket.ts'
import { libc } from '../../lib/accept/native/libc.ts'
import { encodeInternet } from '../../lib/accept/native/sockaddr.ts'
import { setOption, socketOptions } from '../../lib/accept/native/socket-options.ts'
import type { InternetAddress } from '../../lib/index.ts'
import { type LiveChild, startProgram } from '../support/live-child.ts'
import { listeningSocket, madeSocket } from '../support/made-sockets.ts'
import { dial, exchange, exchangeDatagram, received } from '../support/peers.ts'
import { compiled } from '../support/programs.ts'
import { turns } from '../support/turns.ts'

type Program = 'prefork' | 'prefork-cluster'
type Kind = 'tcp' | 'udp'

const files = {} as Record<Program, string>
beforeAll(() => {
  for (const program of ['prefork', 'prefork-cluster'] as const) {
    files[program] = compiled(`spec/examples/${program}.ts`, 'spec/examples/workers.ts')
  }
})

/** A port for sockets that share it, kept until there are some: one who only keeps it gets no connections. */
function keptPort(kind: Kind): { readonly port: number; readonly fd: number } {
  const { fd } = madeSocket('IPv4', kind === 'tcp' ? 'stream' : 'datagram', { bound: false })
  setOption(fd, socketOptions.reusePort, 1)
  bindSocket(fd, encodeInternet('127.0.0.1', 0))
  return { port: (boundAddress(fd) as InternetAddress).port, fd }
}

interface Running {
  readonly parent: LiveChild
  readonly address: InternetAddress
  readonly pids: number[]
}

async function run(program: Program, kind: Kind, workers: number): Promise<Running> {
  const kept = program === 'prefork' ? keptPort(kind) : undefined
  const parent = startProgram(process.execPath, [files[program], String(kept?.port ?? 0), String(workers), kind])
  const pids: number[] = []
  let port = 0
  while (pids.length < workers) {
    const line = await begun(parent)
    pids.push(line.pid)
    port = line.port
  }
  if (kept !== undefined) libc().close(kept.fd)
  return { parent, address: { family: 'IPv4', host: '127.0.0.1', port }, pids }
}

async function begun(parent: LiveChild): Promise<{ readonly pid: number; readonly port: number }> {
  const line = await parent.line()
  const [, pid, port] = /^(\d+) listens on (\d+)$/.exec(line) ?? []
  expect(pid, line).toBeDefined()
  return { pid: Number(pid), port: Number(port) }
}

/** Who answers. */
async function whoAnswers(address: InternetAddress, kind: Kind): Promise<number> {
  const reply = await (kind === 'tcp' ? exchange : exchangeDatagram)(address, 'who?')
  const [, pid] = /^(\d+): who\?$/.exec(reply) ?? []
  expect(pid, reply).toBeDefined()
  return Number(pid)
}

/** Asks until all of these have answered. */
async function allAnswer(pids: readonly number[], { address }: Running, kind: Kind): Promise<void> {
  const missing = new Set(pids)
  while (missing.size > 0) missing.delete(await whoAnswers(address, kind))
}

/** Listening sockets of a port, as `ss` tells, and how many wait in their backlogs. */
function listeners({ port }: InternetAddress, kind: Kind): { readonly sockets: number; readonly waiting: number } {
  const what = kind === 'tcp' ? '-ltnH' : '-lunH'
  const lines = execFileSync('ss', [what, `sport = :${port}`], { encoding: 'utf8' })
    .trim()
    .split('\n')
  return {
    sockets: lines.length,
    waiting: lines.reduce((waiting, line) => waiting + Number(line.trim().split(/\s+/)[1]), 0)
  }
}

async function refused(address: InternetAddress): Promise<void> {
  for (;;) {
    let client: Socket
    try {
      client = await dial(address)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return
      // It had come when the socket was closed.
      expect(error).toMatchObject({ code: 'ECONNRESET' })
      continue
    }
    client.on('error', () => {})
    client.destroy()
    await turns()
  }
}

/** A client that has been served and is inside. */
async function inside(address: InternetAddress): Promise<Socket> {
  const client = await dial(address)
  client.write('one\n')
  await once(client, 'data')
  return client
}

describe.for([
  ['prefork', 'tcp', 2],
  ['prefork', 'udp', 2],
  ['prefork-cluster', 'tcp', 1],
  ['prefork-cluster', 'udp', 1]
] as const)('%s by %s', ([program, kind, sockets]) => {
  it('answers by several processes, ends by SIGTERM, and its workers with it', async () => {
    const running = await run(program, kind, 2)
    const { address, parent, pids } = running
    expect(new Set([...pids, parent.pid]).size).toBe(3)
    // In a worker of a cluster the socket is the parent's: by system calls each would have bound one of its own.
    expect(listeners(address, kind).sockets).toBe(sockets)
    // Of those who share one socket for datagrams it may be the same one that is always first.
    if (program === 'prefork-cluster' && kind === 'udp') expect(pids).toContain(await whoAnswers(address, kind))
    else await allAnswer(pids, running, kind)
    process.kill(parent.pid, 'SIGTERM')
    expect(await parent.ended()).toBe(0)
    await expect(parent.line()).rejects.toThrow('The child has ended')
  })

  it('goes on without a worker that was killed, and replaces it', async () => {
    const running = await run(program, kind, 3)
    const { address, parent, pids } = running
    const [first = 0, ...others] = pids
    process.kill(first, 'SIGKILL')
    expect(await parent.line()).toBe(`${first} has ended (SIGKILL), the next one begins in 100 ms`)
    const { pid, port } = await begun(parent)
    // For datagrams, and a port that the system has chosen, the parent in a cluster makes a new socket.
    if (program === 'prefork' || kind === 'tcp') expect(port).toBe(address.port)
    expect(pids).not.toContain(pid)
    for (let i = 0; i < 20; i++) expect([...others, pid]).toContain(await whoAnswers(address, kind))
  })

  it('leaves no worker behind where its parent is killed', async () => {
    const { address, parent } = await run(program, kind, 2)
    if (kind === 'tcp') expect(await whoAnswers(address, kind)).toBeGreaterThan(0)
    await parent.kill()
    // Its workers have its output: that ends when the last of them has gone.
    await expect(parent.line()).rejects.toThrow('The child has ended')
  })
})

describe.for(['prefork', 'prefork-cluster'] as const)('%s', (program) => {
  it('lets those inside finish when it is told to stop', async () => {
    const { address, parent } = await run(program, 'tcp', 2)
    const clients = await Promise.all(Array.from({ length: 8 }, () => inside(address)))
    process.kill(parent.pid, 'SIGTERM')
    await refused(address)
    const answers = clients.map(async (client) => {
      const answer = received(client)
      client.end('two\n')
      return (await answer).toString()
    })
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^\d+: two\n$/)
    expect(await parent.ended()).toBe(0)
  })
})

describe('prefork', () => {
  // Linux can give them to the other sockets of the port instead.
  const migrates = readFileSync('/proc/sys/net/ipv4/tcp_migrate_req', 'utf8').trim() === '1'

  it.skipIf(migrates)('loses those who wait in the backlog of a worker that is killed, and nobody else', async () => {
    const { address, parent, pids } = await run('prefork', 'tcp', 2)
    const [stopped = 0, other] = pids
    process.kill(stopped, 'SIGSTOP')
    onTestFinished(() => {
      try {
        process.kill(stopped, 'SIGCONT')
      } catch {
        // It has gone, as it should.
      }
    })
    let answered = 0
    const clients = Array.from({ length: 40 }, async () => {
      const reply = await exchange(address, 'who?')
      answered++
      return reply
    })
    const ends = Promise.allSettled(clients)
    while (answered === 0 || answered + listeners(address, 'tcp').waiting < clients.length) await turns()
    const lost = clients.length - answered
    expect(lost).toBeGreaterThan(0)
    process.kill(stopped, 'SIGKILL')
    expect(await parent.line()).toContain(`${stopped} has ended (SIGKILL)`)
    const failures = []
    for (const end of await ends) {
      if (end.status === 'fulfilled') expect(end.value).toBe(`${other}: who?`)
      else failures.push(end.reason)
    }
    expect(failures).toHaveLength(lost)
    for (const failure of failures) expect(failure).toMatchObject({ code: 'ECONNRESET' })
  })

  it('waits longer and longer with a worker that cannot begin', async () => {
    const { address } = listeningSocket()
    const { port } = address as InternetAddress
    const parent = startProgram(process.execPath, [files.prefork, String(port), '1'])
    for (const pause of [100, 200, 400]) {
      expect(await parent.line()).toMatch(
        new RegExp(`^\\d+ has ended \\(code 1\\), the next one begins in ${pause} ms$`)
      )
    }
    process.kill(parent.pid, 'SIGTERM')
    expect(await parent.ended()).toBe(0)
  })
})
