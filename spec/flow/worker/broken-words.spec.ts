import { fstatSync, openSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { closeEnd, DescriptorChannel, hasChannels, openChannel } from '../../../lib/accept/native/descriptor-channel.ts'
import { libc } from '../../../lib/accept/native/libc.ts'
import { MessageRequest } from '../../../lib/accept/request/message-request.ts'
import { type AbortedError, BaseServer, forked, type Outcome, type StreamRequest, threads } from '../../../lib/index.ts'
import { type HostileWorker, hostilePool } from '../../property/fuzz/hostile-worker.ts'
import { exchange } from '../../support/peers.ts'
import { descriptorsOf } from '../../support/pool-children.ts'
import { QuietTCPServer } from '../../support/quiet.ts'
import { turns, watch } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const broken = new URL('broken-words.mjs', import.meta.url)

// What nobody is hurt by, and what the worker is ended for: the number of the request is always 1.
const harmless = ['null', 'a number', 'an unknown word', 'a stranger’s report', 'a close that is none', 'no error']
const fatal = [
  'a report of nothing',
  'a report without notes',
  'counts that are none',
  'more than the window',
  'bytes that are none'
]

interface Way {
  readonly name: string
  readonly backend: 'native' | 'node'
  readonly mode: typeof forked | typeof threads
}
const ways: Way[] = [
  { name: 'by a channel of our own', backend: 'native', mode: forked },
  { name: 'by Node’s channel', backend: 'node', mode: forked },
  { name: 'from a thread', backend: 'native', mode: threads }
]

describe.for(ways)('what a worker says that is none of its messages, $name,', ({ backend, mode }) => {
  async function serve(word: string): Promise<{ outcomes: Outcome<StreamRequest>[]; answers: string[] }> {
    const server = await new QuietTCPServer({ host: '127.0.0.1', port: 0, backend }).listen()
    const outcomes: Outcome<StreamRequest>[] = []
    const serving = (async () => {
      for await (const outcome of mode<StreamRequest>(broken)(server)) outcomes.push(outcome)
    })()
    const answers = [
      await exchange(server.address, `${word}\n`).catch(() => 'cut off'),
      await exchange(server.address, 'nothing\n')
    ]
    await server.close()
    await serving
    return { outcomes, answers }
  }

  it.for(harmless)('is nobody’s: %s', async (word) => {
    const { outcomes, answers } = await serve(word)
    expect(answers).toEqual(['said\n', 'said\n'])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
  })

  it.for(fatal)('ends it, and nothing else: %s', async (word) => {
    const { outcomes, answers } = await serve(word)
    expect(answers[1]).toBe('said\n')
    const [first, second] = outcomes
    expect(first?.status).toBe('aborted')
    expect(second?.status).toBe('fulfilled')
    const reason = first?.status === 'fulfilled' ? undefined : (first?.reason as AbortedError)
    expect(reason).toMatchObject({ cause: 'worker-gone', origin: { message: expect.stringContaining('It said') } })
  })
})

it('ends what a broken worker had begun before that was known, and gives it to nobody else', async () => {
  const workers: HostileWorker[] = []
  const pool = hostilePool((worker) => {
    workers.push(worker)
    queueMicrotask(() => worker.say({ type: 'ready' }))
  })
  const server = new BaseServer()
  const runs = [1, 2].map(() => watch(pool.run(new MessageRequest({ server, packet: 'ping', reply() {} }))))
  while ((workers[0]?.offered.size ?? 0) < 2) await turns()
  const worker = workers[0] as HostileWorker
  worker.say({ type: 'claim', id: 1 })
  worker.say({ type: 'credit', id: 1, bytes: -1 })
  expect(worker.isKilled).toBe(true)
  // Both were on their way by then.
  worker.say({ type: 'claim', id: 2 })
  const report = { status: 'fulfilled', value: undefined, error: undefined, notes: [], reply: undefined }
  worker.say({ type: 'report', id: 2, ...report, bytesIn: 4, bytesOut: 0 })
  while (runs.some(({ state }) => state === 'pending')) await turns()
  expect(runs.map(({ reason }) => (reason as AbortedError).cause)).toEqual(['worker-gone', 'worker-gone'])
  expect(
    workers
      .slice(1)
      .flatMap(({ told }) => told)
      .filter(({ type }) => type === 'take')
  ).toEqual([])
  for (const other of workers.slice(1)) other.die()
  await pool.close({ deadline: 0 })
})

describe.runIf(hasChannels())('a channel of our own', () => {
  interface Heard {
    readonly messages: string[]
    readonly fds: number[]
    error: Error | undefined
    ended: boolean
  }

  /** An end of ours, and a bare one that says whatever it likes. */
  function ends(longest = 200_000): { heard: Heard; there: number } {
    const [here, there] = openChannel()
    const heard: Heard = { messages: [], fds: [], error: undefined, ended: false }
    const channel = new DescriptorChannel(
      here,
      {
        longest,
        message(bytes, fd) {
          heard.messages.push(bytes.toString('latin1'))
          if (fd >= 0) heard.fds.push(fd)
        },
        ended(error) {
          heard.ended = true
          heard.error = error
        }
      },
      true
    )
    onTestFinished(() => {
      channel.close()
      closeEnd(there)
    })
    return { heard, there }
  }

  function say(fd: number, bytes: Buffer): void {
    expect(libc().send(fd, bytes, bytes.length, 0x40)).toBe(bytes.length)
  }

  it('ends where parts come that are not full: there would be no end of them', async () => {
    const { heard, there } = ends()
    say(there, Buffer.from([1, 65]))
    while (!heard.ended) await turns()
    expect(heard).toMatchObject({ messages: [], error: { name: 'TypeError' } })
  })

  it('ends where a message is longer than the longest', async () => {
    const { heard, there } = ends(100_000)
    const full = Buffer.alloc(49_153, 1)
    for (let i = 0; i < 2; i++) say(there, full)
    await turns(3)
    expect(heard.ended).toBe(false)
    say(there, full)
    while (!heard.ended) await turns()
    expect(heard).toMatchObject({ messages: [], error: { name: 'LimitExceededError', limit: 100_000 } })
  })

  it('keeps no descriptor of those that come together', async () => {
    const { heard, there } = ends()
    const file = openSync('package.json', 'r')
    const { ino } = fstatSync(file)
    const before = descriptorsOf(process.pid)
    // Two in one message, which are two more than ours ever send.
    const bytes = Buffer.from([0, 65])
    const piece = Buffer.alloc(16)
    libc().pointerTo(bytes).copy(piece)
    piece.writeBigUInt64LE(2n, 8)
    const control = Buffer.alloc(24)
    control.writeBigUInt64LE(24n, 0)
    control.writeInt32LE(1, 8)
    control.writeInt32LE(1, 12)
    control.writeInt32LE(file, 16)
    control.writeInt32LE(file, 20)
    const header = Buffer.alloc(56)
    libc().pointerTo(piece).copy(header, 16)
    header.writeBigUInt64LE(1n, 24)
    libc().pointerTo(control).copy(header, 32)
    header.writeBigUInt64LE(24n, 40)
    for (let i = 0; i < 20; i++) {
      expect(libc().sendmsg(there, header, 0)).toBe(2)
      while (heard.messages.length === i) await turns()
      for (const fd of heard.fds.splice(0)) {
        expect(fstatSync(fd).ino).toBe(ino)
        closeEnd(fd)
      }
    }
    expect(descriptorsOf(process.pid)).toBe(before)
    closeEnd(file)
  })
})
