import { execFileSync } from 'node:child_process'
import { fstatSync, openSync, readSync } from 'node:fs'
import fc from 'fast-check'
import { expect, it, onTestFinished, vi } from 'vitest'
import { closeEnd, DescriptorChannel, openChannel } from '../../../lib/accept/native/descriptor-channel.ts'
import { libc } from '../../../lib/accept/native/libc.ts'

interface End {
  readonly channel: DescriptorChannel
  readonly messages: { readonly text: string; readonly fd: number }[]
  /** Settles when so many messages have come. */
  came(count: number): Promise<void>
  readonly ended: Promise<void>
}

function end(fd: number): End {
  const messages: End['messages'] = []
  let wanted = Number.POSITIVE_INFINITY
  let told = (): void => {}
  let over = (): void => {}
  const ended = new Promise<void>((resolve) => {
    over = resolve
  })
  const channel = new DescriptorChannel(
    fd,
    {
      longest: Number.POSITIVE_INFINITY,
      message(bytes, passed) {
        messages.push({ text: bytes.toString('latin1'), fd: passed })
        if (messages.length >= wanted) told()
      },
      ended: over
    },
    true
  )
  onTestFinished(() => channel.close())
  return {
    channel,
    messages,
    ended,
    came: (count) =>
      new Promise((resolve) => {
        wanted = count
        told = resolve
        if (messages.length >= count) resolve()
      })
  }
}

function ends(): [End, End] {
  const [one, other] = openChannel()
  return [end(one), end(other)]
}

function prlimit(...args: string[]): string {
  return execFileSync('prlimit', ['--pid', String(process.pid), ...args], { encoding: 'utf8' })
}

/** While this process has no descriptor left. */
function atTheLimit(does: () => void): void {
  const before = prlimit('--nofile', '--noheadings', '--output', 'SOFT').trim()
  const first = openSync('package.json', 'r')
  const some = [first]
  // Some more than are open: starting a program takes a few.
  prlimit(`--nofile=${first + 64}:`)
  try {
    for (;;) some.push(openSync('package.json', 'r'))
  } catch {
    does()
  } finally {
    for (const fd of some) closeEnd(fd)
    prlimit(`--nofile=${before}:`)
  }
}

it('carries whole messages in order, both ways', async () => {
  const [one, other] = ends()
  for (let i = 0; i < 500; i++) one.channel.send(Buffer.from(`there ${i}`))
  other.channel.send(Buffer.from(''))
  await Promise.all([other.came(500), one.came(1)])
  expect(other.messages.map(({ text }) => text)).toEqual(Array.from({ length: 500 }, (_, i) => `there ${i}`))
  expect(one.messages).toEqual([{ text: '', fd: -1 }])
})

it('carries messages of any size', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 400_000 }), { minLength: 1, maxLength: 12 }), async (sizes) => {
      const [here, there] = openChannel()
      const one = end(here)
      const other = end(there)
      for (const [i, size] of sizes.entries()) one.channel.send(Buffer.alloc(size, i % 256))
      await other.came(sizes.length)
      expect(other.messages.map(({ text }) => text.length)).toEqual(sizes)
      for (const [i, { text }] of other.messages.entries()) {
        expect(Buffer.from(text, 'latin1').every((byte) => byte === i % 256)).toBe(true)
      }
      one.channel.close()
      other.channel.close()
    }),
    { numRuns: 20 }
  )
})

it('carries descriptors, each with its message', async () => {
  const [one, other] = ends()
  const file = openSync('package.json', 'r')
  one.channel.send(Buffer.from('none'))
  one.channel.send(Buffer.from('one'), file)
  one.channel.send(Buffer.alloc(200_000, 'x'), file)
  one.channel.send(Buffer.from('none'))
  await other.came(4)
  const { ino } = fstatSync(file)
  closeEnd(file)
  expect(other.messages.map(({ fd }) => fd >= 0)).toEqual([false, true, true, false])
  for (const { fd } of other.messages.filter((message) => message.fd >= 0)) {
    expect(fstatSync(fd).ino).toBe(ino)
    expect(readSync(fd, Buffer.alloc(1))).toBe(1)
    closeEnd(fd)
  }
})

it('sends the descriptor that was meant, also where it has to wait and its number becomes another file', async () => {
  const [here, there] = openChannel()
  const one = end(here)
  let sent = 0
  const meant = openSync('package.json', 'r')
  const { ino } = fstatSync(meant)
  // Nobody reads yet: it does not all fit.
  for (let i = 0; i < 20; i++) one.channel.send(Buffer.alloc(40_000), -1, () => sent++)
  one.channel.send(Buffer.from('meant'), meant, () => sent++)
  expect(sent).toBeLessThan(20)
  closeEnd(meant)
  const stranger = openSync('README.md', 'r')
  expect(stranger).toBe(meant)
  const other = end(there)
  await other.came(21)
  const { fd } = other.messages[20] as { fd: number }
  expect(fstatSync(fd).ino).toBe(ino)
  expect(sent).toBe(21)
  closeEnd(fd)
  closeEnd(stranger)
})

it('tells what had been sent before the other end has gone, then that it has', async () => {
  const [one, other] = ends()
  // Unread input at the end that goes makes the kernel speak of a reset.
  one.channel.send(Buffer.from('never read'))
  other.channel.send(Buffer.from('last words'))
  other.channel.close()
  await one.ended
  expect(one.messages).toEqual([{ text: 'last words', fd: -1 }])
  one.channel.send(Buffer.from('into the void'))
})

it('takes in at once what has come, where it is asked to', () => {
  const [one, other] = ends()
  other.channel.send(Buffer.from('claim'))
  one.channel.drain()
  expect(one.messages.map(({ text }) => text)).toEqual(['claim'])
})

it('leaves no descriptor open that nobody took', async () => {
  const [here, there] = openChannel()
  const one = end(here)
  const file = openSync('package.json', 'r')
  for (let i = 0; i < 20; i++) one.channel.send(Buffer.alloc(40_000), file)
  const probe = libc().fcntl(file, 1_030, 'int', 0)
  closeEnd(probe)
  one.channel.close()
  closeEnd(there)
  closeEnd(file)
  // The copies of those that waited are closed too: the lowest free number is the first again.
  const lowest = openSync('package.json', 'r')
  closeEnd(lowest)
  expect(lowest).toBeLessThanOrEqual(Math.min(probe, here, there, file))
})

it('says that a descriptor is missing where there is no room for it, and goes on', async () => {
  const [one, other] = ends()
  const file = openSync('package.json', 'r')
  one.channel.send(Buffer.from('without room'), file)
  one.channel.send(Buffer.from('alone'))
  atTheLimit(() => other.channel.drain())
  one.channel.send(Buffer.from('with'), file)
  other.channel.drain()
  closeEnd(file)
  expect(other.messages.map(({ text, fd }) => [text, fd >= 0])).toEqual([
    ['without room', false],
    ['alone', false],
    ['with', true]
  ])
  for (const { fd } of other.messages) if (fd >= 0) closeEnd(fd)
})

/** From now on a call to send fails so, where that is said of its message. */
function failing(errno: number, fails: (header: Buffer) => boolean): void {
  const { sendmsg } = libc()
  const sending = vi.spyOn(libc(), 'sendmsg')
  const telling = vi.spyOn(libc(), 'errno')
  onTestFinished(() => {
    sending.mockRestore()
    telling.mockRestore()
  })
  sending.mockImplementation((fd, header, flags) => {
    const failed = fails(header as Buffer)
    if (failed) telling.mockReturnValueOnce(errno)
    return failed ? -1 : sendmsg(fd, header, flags)
  })
}

it('sends a message without its descriptor where the kernel takes no more of those', async () => {
  const [one, other] = ends()
  const ETOOMANYREFS = 109
  failing(ETOOMANYREFS, (header) => header.readUInt32LE(40) > 0)
  let sent = 0
  one.channel.send(Buffer.from('with'), 1, () => sent++)
  one.channel.send(Buffer.from('without'), -1, () => sent++)
  await other.came(2)
  expect(other.messages).toEqual([
    { text: 'with', fd: -1 },
    { text: 'without', fd: -1 }
  ])
  expect(sent).toBe(2)
})

it('ends where a message can not be sent at all', async () => {
  const [one, other] = ends()
  const ENOBUFS = 105
  failing(ENOBUFS, () => true)
  one.channel.send(Buffer.from('lost'), 1)
  one.channel.send(Buffer.from('lost as well'))
  await Promise.all([one.ended, other.ended])
  expect(other.messages).toEqual([])
})
