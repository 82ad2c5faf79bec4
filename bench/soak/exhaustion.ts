import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Address } from 'it-socketserver'
import { ServerChild } from './server-child.ts'
import type { Ground } from './site.ts'
import { groupOf, type Subject } from './subject.ts'

const descriptors = 64
const firstInside = 10
const crowd = 100
const patience = 15_000

/** What a server did that had no descriptor left */
export interface Exhaustion {
  readonly name: string
  /** The share of a core that it took meanwhile */
  readonly cpu: number
  /** Clients that it served meanwhile, and those that waited for it */
  readonly inside: number
  readonly waiting: number
  /** Where nobody can wait: those that were turned away */
  readonly refused: number
  readonly seconds: number
}

/** A client that wants each line to be answered by itself */
class LineClient {
  readonly #socket: Socket
  #received = ''
  #sent = ''
  #heard: (() => void) | undefined
  gone = false

  constructor(address: Address) {
    const to = 'port' in address ? { host: address.host, port: address.port } : { path: address.path }
    this.#socket = connect(to)
    this.#socket.write('echo\n')
    this.#socket.setEncoding('latin1').on('data', (text: string) => {
      this.#received += text
      this.#heard?.()
    })
    this.#socket.on('error', () => {})
    this.#socket.once('close', () => {
      this.gone = true
      this.#heard?.()
    })
  }

  say(line: string): this {
    this.#sent += line
    this.#socket.write(line)
    return this
  }

  get answered(): boolean {
    return this.#received === this.#sent
  }

  /** Whether all that it has said was answered, in time */
  async isAnswered(): Promise<boolean> {
    const since = performance.now()
    while (!this.answered && !this.gone && performance.now() - since < patience) {
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#heard = resolve
        }),
        pause(250)
      ])
    }
    return this.answered
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

async function areAnswered(
  clients: readonly LineClient[],
  then: (client: LineClient) => void = () => {}
): Promise<boolean> {
  const answered = await Promise.all(
    clients.map(async (client) => {
      const isAnswered = await client.isAnswered()
      then(client)
      return isAnswered
    })
  )
  return answered.every(Boolean)
}

/** Takes all descriptors of a server away, looks at it for some seconds, and gives them back */
export async function exhaust(subject: Subject, ground: Ground, seconds: number): Promise<Exhaustion> {
  const name = groupOf(subject)
  const { totals, folder, certificate } = ground
  const fail = (text: string): void => totals.fail(`${name}, without descriptors: ${text}`)
  const child = new ServerChild(`${name}, ${descriptors} descriptors`, descriptors)
  const path = join(folder, `exhausted-${name.replaceAll(' ', '-')}-${child.pid}`)
  const clients: LineClient[] = []
  const come = (address: Address, count: number): LineClient[] => {
    const newcomers = Array.from({ length: count }, () => new LineClient(address).say('hello\n'))
    clients.push(...newcomers)
    return newcomers
  }
  try {
    // By Node's own sockets a server keeps away from the end of its descriptors: see what its own limit does.
    const maxConnections = subject.backend === 'node' ? 0 : 10_000
    const { id, address } = await child.ask('deploy', { subject, path, certificate, limit: 1_000, maxConnections })
    await child.ask('limits', { id, limits: { idleTimeout: null } })
    const inside = come(address, firstInside)
    if (!(await areAnswered(inside))) fail('the first clients were not served')
    const others = come(address, crowd)
    await settled(others)
    const served = others.filter((client) => client.answered)
    const refused = others.filter((client) => client.gone && !client.answered)
    const waiting = others.filter((client) => !client.gone && !client.answered)
    if (waiting.length + refused.length === 0) fail('it was not exhausted')
    const cpu = await child.ask('cpu', { milliseconds: seconds * 1e3 })
    if (cpu >= 0.05) fail(`it took ${(cpu * 100).toFixed(1)} % of a core`)
    for (const client of inside) client.say('still there\n')
    if (!(await areAnswered(inside))) fail('those inside were hurt')
    for (const client of [...inside, ...served]) client.end()
    if (!(await areAnswered(waiting, (client) => client.end()))) fail('those who waited were not served in the end')
    if (!(await recovers(() => come(address, 1)))) fail('it has not recovered')
    for (const client of clients) client.end()
    const { counts, complaints } = await child.ask('close', { id, deadline: patience })
    if (subject.backend === 'native' && counts.acceptErrors === 0)
      fail('it was never told that there are no descriptors')
    for (const complaint of [...complaints, ...(await child.ask('complaints', undefined))]) fail(complaint)
    return {
      name,
      cpu,
      inside: inside.length + served.length,
      waiting: waiting.length,
      refused: refused.length,
      seconds
    }
  } finally {
    for (const client of clients) client.destroy()
    await child.stop()
  }
}

/** Where nobody can wait, those who come before there is room are turned away */
async function recovers(come: () => readonly LineClient[]): Promise<boolean> {
  const since = performance.now()
  while (performance.now() - since < patience) {
    if (await areAnswered(come())) return true
    await pause(100)
  }
  return false
}

/** Returns when something has happened to some clients, and nothing more does for a second */
async function settled(clients: readonly LineClient[]): Promise<void> {
  const state = (): number => clients.filter(({ answered, gone }) => answered || gone).length
  const since = performance.now()
  for (
    let last = -1, now = state();
    now !== last || (now === 0 && performance.now() - since < patience);
    now = state()
  ) {
    last = now
    await pause(1_000)
  }
}
