import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AbortedError, type Address, type Outcome, parallel, pipe } from '../../lib/index.ts'
import { startProgram } from '../support/live-child.ts'
import { turns } from '../support/turns.ts'
import { lengthOf, patient, play } from './fuzz-client.ts'
import { keystream } from './keystream.ts'
import { runs } from './runs.ts'
import { type AnyRequest, client, descriptors, descriptorsDownTo, type Transport, transports } from './transports.ts'

/** Many connections in a process, which go on for ever: some read their echoes, some never do, some are silent. */
const program = `
import selectors, socket, sys
kind, where, port, many = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chunk = bytes(range(256)) * 64
selector = selectors.DefaultSelector()
for i in range(many):
    if kind == 'unix':
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(where.replace('@', chr(0)))
    else:
        peer = socket.create_connection((where, port))
    peer.sendall(b'x')
    peer.setblocking(False)
    events = [selectors.EVENT_READ | selectors.EVENT_WRITE, selectors.EVENT_WRITE, selectors.EVENT_READ][i % 3]
    selector.register(peer, events)
print('connected', flush=True)
while True:
    for key, events in selector.select():
        try:
            if events & selectors.EVENT_READ:
                key.fileobj.recv(50000)
            if events & selectors.EVENT_WRITE:
                key.fileobj.send(chunk)
        except BlockingIOError:
            pass
`

function programAt(address: Address, many: number): ReturnType<typeof startProgram> {
  const where =
    address.family === 'unix'
      ? ['unix', address.path.replace('\0', '@'), '0']
      : ['tcp', address.host, String(address.port)]
  return startProgram('python3', ['-c', program, ...where, String(many)])
}

// Three processes a round.
const rounds = Math.ceil(runs(25) / 25)

const echo = (request: AnyRequest): Promise<unknown> => pipe(request, request)

describe.for(Object.keys(transports) as Transport[])('processes that are killed, by %s', (transport) => {
  it('take their own requests with them, and nothing else', async () => {
    const [killed, perProcess] = [3, 9]
    const before = descriptors()
    const server = await transports[transport]().listen()
    const outcomes: Outcome<AnyRequest>[] = []
    const serving = (async () => {
      for await (const outcome of parallel(echo, { limit: 100 })(server as AsyncIterable<AnyRequest>)) {
        outcomes.push(outcome)
      }
    })()
    let echoing = true
    let echoed = 0
    const steady = Array.from({ length: 4 }, async (_, who) => {
      const plans = fc.sample(patient, { numRuns: 20, seed: who })
      for (let i = 0; echoing; i++) {
        const plan = plans[i % plans.length] as (typeof plans)[number]
        const bytes = keystream(i, lengthOf(plan))
        const got = await play(await client(server.address), plan, bytes)
        expect(got.end).toBe('end')
        expect(got.bytes.equals(bytes)).toBe(true)
        echoed++
      }
    })
    const gone = async (): Promise<void> => {
      const child = programAt(server.address, perProcess)
      expect(await child.line()).toBe('connected')
      // In the middle of transfers: of those that read, and where the others have filled all there is.
      const { bytesIn } = server.stats()
      while (server.stats().bytesIn < bytesIn + 4_000_000) await turns()
      await child.kill()
    }
    for (let round = 0; round < rounds; round++) await Promise.all(Array.from({ length: killed }, gone))
    const after = echoed
    while (echoed < after + 8) await turns()
    echoing = false
    await Promise.all(steady)
    const report = await server.close({ deadline: Number.POSITIVE_INFINITY })
    await serving
    expect(report.stillOpen).toEqual([])
    const { accepted, served, failed, refused, open } = server.stats()
    expect([accepted, served + failed, refused, open]).toEqual([
      killed * perProcess * rounds + echoed,
      outcomes.length,
      0,
      0
    ])
    expect(accepted).toBe(outcomes.length)
    // A peer whose process is killed has ended its output (and got all, or does not want it), or is gone.
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue
      expect(outcome.reason).toBeInstanceOf(AbortedError)
      expect([outcome.status, (outcome.reason as AbortedError).cause]).toEqual(['aborted', 'peer-gone'])
    }
    expect(outcomes.some(({ status }) => status === 'aborted')).toBe(true)
    expect(await descriptorsDownTo(before)).toBeLessThanOrEqual(before)
  })
})
