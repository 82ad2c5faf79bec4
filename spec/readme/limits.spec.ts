import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as events from '../../lib/events.ts'
import { datagramRules, tlsRules } from '../../lib/server/limit-rules.ts'
import { zeroStats } from '../../lib/stats.ts'

/** What shows a row of the README's table of limits: a file, and the titles of tests in it. */
type Shown = readonly [file: string, ...titles: string[]]

const limits = (file: string, ...titles: string[]): Shown => [`spec/server/limits/${file}.spec.ts`, ...titles]
const pool = (file: string, ...titles: string[]): Shown => [`spec/flow/worker/${file}.spec.ts`, ...titles]
const cases = (file: string, ...titles: string[]): Shown => [`lib/testing/${file}.ts`, ...titles]

const shownBy: Record<string, Shown> = {
  'requests at a time': [
    'spec/conformance/loops.spec.ts',
    'are taken before a request is pulled: limit n never holds request n + 1'
  ],
  'requests at a time, shared': ['spec/flow/shared-limit.spec.ts', 'runs no more than its permits, and takes turns'],
  "callers of a semaphore's `acquire()` that wait": [
    'spec/flow/semaphore.spec.ts',
    'lets so many wait, and says so to the next'
  ],
  'children at a time': ['spec/server/forking.spec.ts', 'has no more children than it may, and the next client waits'],
  'requests of a child at a time': cases(
    'mode-serving-cases',
    'has as many requests at work as its limit says, and leaves the next one with its source'
  ),
  'requests of a child in its life': pool('pool', 'have others take their place when they have served their number'),
  'idle children kept ready': [
    'spec/server/forking.spec.ts',
    'lets go of children that have nothing to do, but for the spares'
  ],
  'threads, and requests over all of them': cases(
    'mode-serving-cases',
    'has as many requests at work as its limit says, and leaves the next one with its source'
  ),
  'connections that a child was sent and has not claimed': pool(
    'bounds',
    'is sent to a child that does not claim: 16 connections, and the others go to another child'
  ),
  'a child or thread with a request that does not answer (its loop is stuck; waiting is not)': pool(
    'pool',
    'ends one that is silent, and says so'
  ),
  "loading the handler's module": pool('options', 'are ended where they take too long'),
  'starts that fail in a row': pool('options', 'end the stage with the last error of the module'),
  'a child that has no descriptor left': pool(
    'dying',
    'is replaced where it has nothing to do, and no room for a connection all the same'
  ),
  'bytes of a connection passed as messages, each way': pool(
    'bulk',
    'takes no more in than a window of what its handler does not read'
  ),
  'what a child says in one go, by our own channel': pool(
    'broken-words',
    'ends where a message is longer than the longest'
  ),
  'errors, and their properties, that cross with one error': pool(
    'error-record',
    'crosses with no more than so many of those that it holds, where they hold each other',
    'may say that it has billions of properties, or notes'
  ),
  'a child or thread whose last request has gone': pool(
    'bounds',
    'is how long a child may stay whose last request has gone: 3 s'
  ),
  'requests in a pool that closes': pool('pool', 'cuts off at its deadline what it has, whatever that does'),
  'items of merged sources in hand that nobody asked for': [
    'spec/flow/merge.spec.ts',
    'lets no source get more than one item ahead of another that has one'
  ],
  'connections whose frames are read': [
    'spec/flow/framed.spec.ts',
    'holds at most maxConnections; the others wait on the server'
  ],
  'frames of a connection whose replies have not left': [
    'spec/flow/framed.spec.ts',
    'hands out at most maxInFlight frames of a connection, and reads no further'
  ],
  'connections at a time: those that wait, are served or linger, and handshakes; none that was detached': limits(
    'max-connections',
    'lets so many in; the next waits in the kernel, or is refused, and is told of',
    'is raised: who waits comes in at once, though nobody leaves',
    'is lowered: nobody is cut off, and nobody new comes in before enough have left',
    'counts those who wait for somebody to serve them',
    'counts whoever lingers after the reply, until it has gone',
    'counts handshakes, and gives back the place of one that fails',
    'does not count who was detached, nor who was cut off',
    'is 90 % of the descriptors that there are, where nothing is said'
  ),
  'connections at a time of one address, or one `/64` of IPv6, of those that came since it was set': limits(
    'per-address',
    'an IPv6 address is counted with its /64, and one that is mapped as the IPv4 address that it is',
    'lets so many of an address in, refuses the next, and lets in again when one has left',
    'is changed while running: lowered it cuts nobody off, raised and Infinity let more in',
    'maxConnectionsPerAddress has no effect on Unix clients, which have no address'
  ),
  'newcomers while the server is suspended': limits(
    'suspend',
    'leaves newcomers in the kernel, or refuses them, and serves those inside',
    'datagrams for a suspended server wait in the kernel, or are dropped (%s)'
  ),
  'PROXY headers awaited at once': [
    'spec/server/proxy.spec.ts',
    'past maxConcurrent is not read, until one has come',
    'that is awaited for longest gives its place to those who come'
  ],
  'a PROXY header, to its end': limits(
    'proxy-headers',
    'that takes longer than its time is refused, and what comes meanwhile puts it off for nobody'
  ),
  "a PROXY header's length": limits(
    'proxy-headers',
    'that is longer than it may be is refused as soon as that is known'
  ),
  'connections or datagrams of an address in a time': [
    'spec/flow/rate-limiter.spec.ts',
    'gives a burst, then one token after the other, and saves up no more than the burst'
  ],
  'addresses whose tokens are counted': [
    'spec/flow/rate-limiter.spec.ts',
    'is bounded: a flood of addresses pushes out neither whom it limits nor is it refused'
  ],
  'a request, from its hand-out to its end': limits(
    'request-timeout',
    'cuts off who takes longer, whatever comes meanwhile, within a quarter more',
    'ends the request of a handler that goes on all the same, which is told once it returns',
    'is changed while running, also for those inside'
  ),
  'a read that waits with nothing coming from the client': limits(
    'idle-timeout',
    'cuts off whose read waits for so long with nothing coming, within a quarter more',
    'leaves alone a handler that computes, or only writes',
    'is changed while running, also for those inside'
  ),
  'connections not yet accepted': limits('in-the-kernel', 'past the backlog a connect waits, and is tried again'),
  'connections accepted that nobody has taken': limits(
    'set-limits',
    "maxPending: more connections wait by Node's sockets, and in memory"
  ),
  'TLS handshakes at once': [
    'spec/server/tls-handshakes.spec.ts',
    'past maxHandshakes wait, unread, until one has ended',
    'that stall at the bound give their place to those who come, the oldest first'
  ],
  'a TLS handshake': limits('set-limits', 'handshakeTimeout, for those that begin from now on; maxHandshakes, at once'),
  'datagrams that nobody has asked for': [
    'spec/server/unix-datagram.spec.ts',
    'leaves in the kernel what nobody asks for, and its senders wait'
  ],
  'datagrams taken out of the kernel ahead': limits(
    'in-the-kernel',
    'no more than 64 datagrams are taken ahead of those who ask, and count as waiting'
  ),
  'the same by `node:dgram`, or at the close': limits('set-limits', 'maxPending, of datagrams that wait'),
  'size of a datagram': limits('set-limits', 'maxPacketSize, of UDP and Unix datagrams, and in memory'),
  'replies that wait for room': limits('set-limits', 'maxQueuedReplies and sendTimeout, of replies that wait for room'),
  'a reply that waits for room': limits(
    'set-limits',
    'maxQueuedReplies and sendTimeout, of replies that wait for room'
  ),
  'connections or datagrams taken in in one turn of the event loop, by system calls': [
    'spec/server/udp.spec.ts',
    'lets the other things of the loop have their turn in a burst'
  ],
  'read from one connection in one turn, by system calls': limits(
    'in-the-kernel',
    'no more than 128 KiB of one connection are read in one turn'
  ),
  'input held for a handler that does not read': [
    'spec/property/reader.spec.ts',
    'stops the peer at the mark, starts it again at half of it, and always while a read waits'
  ],
  'a line, or what comes before a delimiter': [
    'spec/bytes/reader.spec.ts',
    'checks a limit before it waits for more, and leaves the bytes readable'
  ],
  'a line that is a frame': [
    'spec/flow/framed.spec.ts',
    'ends the connection at an error of the codec, after the replies that are due',
    'takes longer lines of those who come when the limit of its codec was raised, and no wrong limit'
  ],
  'the whole input': ['spec/bytes/reader.spec.ts', 'has limits that count the terminator'],
  'output that has not left': ['spec/conformance/bytes.spec.ts', 'makes a writer wait for a peer that does not read'],
  'output that was not waited for': [
    'spec/conformance/bytes.spec.ts',
    'cuts off a handler that piles up writes without waiting'
  ],
  'the reply to a message': [
    'spec/bytes/message-writer.spec.ts',
    'has no reply over 16 MiB: neither part of it nor silence'
  ],
  'a read or write that waits': [
    'spec/conformance/bytes.spec.ts',
    'times out a read that waits, and not a handler that works'
  ],
  'the end of the peer, after the close': limits(
    'linger',
    'lingerTimeout is how long the end of the peer is awaited, and tells'
  ),
  'input after the close': limits('linger', 'maxLingerBytes is how much of what still comes is dropped, and tells'),
  'an encrypted connection whose peer has ended, and to which Node cannot write any more': [
    'spec/accept/tls/wedged.spec.ts',
    'are given up, though Node writes to them for ever'
  ],
  'requests that run while the server closes': [
    'spec/server/close.spec.ts',
    'tells who finished and who was cut off',
    'takes an earlier deadline when called again, and no later one'
  ]
}

const readme = readFileSync('README.md', 'utf8')
const section = readme.slice(readme.indexOf('\n## Limits\n'), readme.indexOf('\n## From Python\n'))
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .slice(2)
  .map((line) => line.slice(1, -1).split('|'))
  .map((cells) => cells.map((cell) => cell.trim()))

const column = (at: number): string[] => rows.map((cells) => cells[at] as string)

/** Where a file has a test of this title, and does not leave it out. */
function hasTest(file: string, title: string): boolean {
  const text = readFileSync(file, 'utf8')
  const escaped = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const quoted = `(['"\`])${escaped}\\1`
  const test = new RegExp(`\\bit(?:\\.(?:for|each|skipIf)\\([^]*?\\))?\\(\\s*${quoted},`)
  return test.test(text) || new RegExp(`\\bname: ${quoted},`).test(text)
}

describe("the README's table of limits", () => {
  it('has six columns, and no row twice', () => {
    expect(rows.length).toBeGreaterThan(40)
    for (const cells of rows) expect(cells).toHaveLength(6)
    expect(new Set(column(0)).size).toBe(rows.length)
  })

  it('names a test for each row, and no row that is not there', () => {
    expect(Object.keys(shownBy).sort()).toEqual(column(0).sort())
  })

  it.for(Object.entries(shownBy))('is shown by tests that there are: %s', ([, [file, ...titles]]) => {
    expect(titles).not.toEqual([])
    for (const title of titles) expect(hasTest(file, title), `${file}: ${title}`).toBe(true)
  })

  it('has every limit that setLimits() takes, and says of each that it does', () => {
    const changeable = rows.filter((cells) => cells[5]?.startsWith('`setLimits`')).map((cells) => cells[1] as string)
    const names = new Set([...Object.keys(tlsRules), ...Object.keys(datagramRules)])
    for (const name of names) expect(changeable.join(' ')).toContain(`\`${name}\``)
    for (const where of changeable) expect(names).toContain(/^`(\w+)`/.exec(where)?.[1])
  })

  it('tells by events that there are, and by every reason for which one is refused or dropped', () => {
    const channels = Object.values(events).map(({ name }) => String(name).replace('it-socketserver:', ''))
    const told = column(4)
    for (const cell of told) {
      const before = /^`[\w-]+`(?:, `[\w-]+`)*(?=:|;|,|$| )/.exec(cell)?.[0]
      for (const name of before?.match(/[\w-]+/g) ?? []) expect(channels).toContain(name)
    }
    const { refusedBy, droppedBy } = zeroStats()
    // Not by a limit: by what is asked, and by the end.
    const others = ['verify', 'proxy', 'closing']
    for (const reason of [...Object.keys(refusedBy), ...Object.keys(droppedBy)]) {
      if (!others.includes(reason)) expect(told.join('\n')).toContain(`\`${reason}\``)
    }
  })
})
