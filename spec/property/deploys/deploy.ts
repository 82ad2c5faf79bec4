import { fileURLToPath } from 'node:url'
import { expect, vi } from 'vitest'
import type { Address, Backend, Report, ServerStats } from '../../../lib/index.ts'
import { type LiveChild, startProgram } from '../../support/live-child.ts'
import type { Start } from './network.ts'

const { DEPLOYS, CLIENTS } = process.env
const asked = Number(DEPLOYS) > 0
const deploys = asked ? Number(DEPLOYS) : 3
const clients = Number(CLIENTS) > 0 ? Number(CLIENTS) : 50
// Answers of each deploy, before the next.
const answersEach = clients * 10

// What is asked for may take its time.
vi.setConfig({ testTimeout: 30_000 + deploys * (2_000 + clients * 40) })

/** What became of the visits of the clients. */
export interface ClientReport {
  readonly visits: number
  /** Those that got the whole answer, and the end. */
  readonly whole: number
  /** The same, by the number of the deploy. */
  readonly answeredBy: Record<string, number>
  /** Those that were refused or reset before any answer, by the code of the error. */
  readonly lost: Record<string, number>
  /** Those that got another answer, or half of one. */
  readonly wrong: readonly string[]
  /** Those that got none for twelve seconds. */
  readonly late: readonly string[]
}

/** What a server says when it has closed. */
type ServerReport = Report & ServerStats

/** How servers follow each other. */
export interface Deploys {
  readonly mode: 'parallel' | 'threads' | 'forked'
  readonly backend: Backend
  /** What they are: of TCP, where it is not said. */
  readonly kind?: 'TCPServer' | 'UnixStreamServer'
  /** Where each of them listens, going by the address of the one before it. */
  readonly where: (address: Address | undefined) => object
  /** The listening socket, if they inherit one. */
  readonly inherited?: readonly number[]
  /** Whether the next one listens before the one before it is told to stop, or begins when that has gone. */
  readonly overlap: boolean
  /** Where programs are started: here, by default. */
  readonly start?: Start
}

const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Have servers follow each other, while clients come again and again, and check what the servers say of it. */
export async function deployUnderLoad({
  mode,
  backend,
  kind = 'TCPServer',
  where,
  inherited = [],
  overlap,
  start = startProgram
}: Deploys): Promise<ClientReport> {
  let address: Address | undefined
  const servers: ServerReport[] = []

  const begin = async (deploy: number): Promise<LiveChild> => {
    const settings = JSON.stringify({ kind, where: { ...where(address), backend }, mode })
    const env = { ...process.env, DEPLOY: String(deploy) }
    const server = start(process.execPath, [program('server.mjs'), settings], { inherited, env, leadsGroup: true })
    address = JSON.parse(await server.line()) as Address
    return server
  }
  const end = async (server: LiveChild): Promise<void> => {
    // As service managers and terminals do it: to it, and to all that it has started.
    process.kill(-server.pid, 'SIGTERM')
    servers.push(JSON.parse(await server.line()) as ServerReport)
    // By itself: its input is open, and nobody kills it.
    expect((await server.exited)[0]).toBe(0)
  }

  let server = await begin(0)
  const crowd = start(process.execPath, [program('client.mjs'), nameOf(address), String(clients)])
  expect(await crowd.line()).toBe('begun')
  for (let deploy = 0; ; deploy++) {
    crowd.say(`until ${deploy} ${answersEach}`)
    expect(await crowd.line()).toBe('so many')
    if (deploy === deploys) break
    const before = server
    if (!overlap) await end(before)
    server = await begin(deploy + 1)
    if (overlap) await end(before)
  }
  crowd.say('stop')
  const report = JSON.parse(await crowd.line()) as ClientReport
  await end(server)

  tell(report, servers)
  expectWholeAnswers(report, servers)
  return report
}

/** How many were refused or reset. */
export function lost(report: ClientReport): number {
  return Object.values(report.lost).reduce((sum, many) => sum + many, 0)
}

// Nobody waited for nothing, or got what is not his, or half of it; each visit is one that a server has served, or one
// that no server has ever had.
function expectWholeAnswers(report: ClientReport, servers: readonly ServerReport[]): void {
  const { visits, whole, wrong, late } = report
  expect(wrong).toEqual([])
  expect(late).toEqual([])
  expect(whole + lost(report)).toBe(visits)
  for (const server of servers) expect(server).toMatchObject({ aborted: 0, refused: 0, failed: 0, open: 0, waiting: 0 })
  expect(servers.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(whole)
  expect(servers.map(({ served }) => served)).toEqual(servers.map((_, deploy) => report.answeredBy[deploy]))
}

function nameOf(address: Address | undefined): string {
  return address?.family === 'unix' ? address.path : String(address?.port)
}

// Whoever asks for a long run wants its figures.
function tell({ visits, whole, lost }: ClientReport, servers: readonly ServerReport[]): void {
  if (!asked) return
  const drained = servers.map(({ finished }) => finished)
  process.stderr.write(`${expect.getState().currentTestName} ${JSON.stringify({ visits, whole, lost, drained })}\n`)
}
