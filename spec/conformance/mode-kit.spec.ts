import { connect as connectTLS } from 'node:tls'
import { afterAll, it } from 'vitest'
import {
  forked,
  forkPool,
  framed,
  type InternetAddress,
  lines,
  type Outcome,
  type Pool,
  parallel,
  proxyProtocol,
  type Request,
  type Stage,
  sequential,
  TCPServer,
  TLSServer,
  threadPool,
  threads,
  UnixStreamServer
} from '../../lib/index.ts'
import {
  checkMode,
  type GivenHandler,
  MemoryDatagramServer,
  MemoryServer,
  type ModeSubject,
  type ServerSubject
} from '../../lib/testing/entry.ts'
import { certificates, temporaryPath, trusted } from '../support/peers.ts'
import { line } from '../support/proxy-headers.ts'
import { byStream, maxPending, streams, udp, unixDatagrams } from '../support/server-subjects.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

// Children start slowly on a busy machine.
const patience = 15_000

type Over = Omit<ModeSubject, 'name' | 'mode' | 'limit' | 'runsIn'>
type How = Pick<ModeSubject, 'mode' | 'limit' | 'runsIn'>

const whole = (subject: Omit<ServerSubject, 'name'>): Over => ({ ...subject, messages: true })
const tcp = (backend: 'native' | 'node'): Over =>
  streams(() => new TCPServer({ maxPending, backend }), backend === 'native')

const servers = {
  'TCP, native': tcp('native'),
  "TCP, Node's": tcp('node'),
  'Unix streams, native': streams(
    () => new UnixStreamServer({ path: temporaryPath(), maxPending, backend: 'native' }),
    true
  ),
  "Unix streams, Node's": streams(() => new UnixStreamServer({ path: temporaryPath(), maxPending, backend: 'node' })),
  TLS: {
    server: () => new TLSServer({ maxPending, ...certificates() }),
    ask: (server, input) => byStream(connectTLS({ ...trusted(), ...(server.address as InternetAddress) }), input)
  },
  'UDP, native': whole(udp('127.0.0.1', 'native')),
  "UDP, Node's": whole(udp('127.0.0.1', 'node')),
  'Unix datagrams': whole(unixDatagrams(temporaryPath)),
  'lines on TCP connections': {
    ...tcp('native'),
    messages: true,
    requests: (server) => framed(lines())(server as TCPServer)
  },
  'TCP behind a proxy': {
    ...streams(() => new TCPServer({ maxPending }), true, line),
    requests: (server) => proxyProtocol({ trust: ['127.0.0.1'] })(server as TCPServer)
  },
  'connections in memory': streams(() => new MemoryServer({ maxPending })),
  'datagrams in memory': {
    server: () => new MemoryDatagramServer({ maxPending }),
    ask: (server, input) => ({
      sent: Promise.resolve(),
      reply: (server as MemoryDatagramServer).send(input)
    }),
    messages: true
  }
} satisfies Record<string, Over>
servers['connections in memory'].ask = (server, input) => byStream((server as MemoryServer).connect(), input)

const modes = {
  sequential: { mode: ({ handler }) => sequential(handler), limit: 1 },
  'parallel, one at a time': { mode: ({ handler }) => parallel(handler, { limit: 1 }), limit: 1 },
  parallel: { mode: ({ handler }) => parallel(handler, { limit: 3 }), limit: 3 },
  threads: { mode: ({ module }) => threads(module, { size: 2, limit: 3 }), limit: 3, runsIn: 'threads' },
  forked: { mode: ({ module }) => forked(module, { maxChildren: 2 }), limit: 2, runsIn: 'children' },
  'forked, a child for each request': {
    mode: ({ module }) => forked(module, { maxChildren: 2, requestsPerChild: 1, spares: 0 }),
    limit: 2,
    runsIn: 'children'
  },
  'forked, several in a child': {
    mode: ({ module }) => forked(module, { maxChildren: 2, maxRequestsPerChildInFlight: 2, requestsPerChild: 5 }),
    limit: 4,
    runsIn: 'children'
  }
} satisfies Record<string, How>

/** A mode of children or threads that goes on from case to case: none of them is started anew. */
function lasting(make: (module: URL) => Pool, runsIn: 'children' | 'threads'): How {
  let pool: Pool | undefined
  afterAll(() => pool?.close({ deadline: 0 }))
  const mode = ({ module }: GivenHandler): Stage<Request, Outcome<Request>> => {
    pool ??= make(module)
    const serving = pool
    return parallel((request: Request) => serving.run(request), { limit: 3 })
  }
  return { mode, limit: 3, runsIn }
}

const pools = {
  'a pool of children': lasting(
    (module) => forkPool(module, { maxChildren: 2, maxRequestsPerChildInFlight: 2 }),
    'children'
  ),
  'a pool of threads': lasting((module) => threadPool(module, { size: 2, limit: 3 }), 'threads')
}

function check(name: string, how: How, over: Over): void {
  void checkMode({ name, ...over, ...how }, { test: it, patience })
}

for (const [server, over] of Object.entries(servers)) {
  for (const mode of ['sequential', 'parallel'] as const) check(`${mode} over ${server}:`, modes[mode], over)
  for (const [pool, how] of Object.entries(pools)) check(`${pool} over ${server}:`, how, over)
}

check('parallel, one at a time, over TCP:', modes['parallel, one at a time'], servers['TCP, native'])
check('threads over UDP:', modes.threads, servers['UDP, native'])
check('forked over TCP:', modes.forked, servers['TCP, native'])
check('a child for each request over TCP:', modes['forked, a child for each request'], servers["TCP, Node's"])
check('several in a child over Unix streams:', modes['forked, several in a child'], servers['Unix streams, native'])
