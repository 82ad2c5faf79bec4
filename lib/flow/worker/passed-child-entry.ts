import { closeEnd, DescriptorChannel } from '../../accept/native/descriptor-channel.ts'
import { toError } from '../../outcome.ts'
import { beginChild } from './begin-child.ts'
import { recordError } from './error-record.ts'
import { decode, encode, joined } from './message-codec.ts'
import type { PoolMessage } from './messages.ts'
import { ServeWorker, type WorkerEnds } from './serve-worker.ts'

// Where the pool has put its channel, after stderr.
const channelFd = 3

const moduleURL = beginChild()

// What is said in one go leaves as one: under load that is several claims and reports. Not more than this: long ones go
// alone, as there is a longest message.
const mostInOne = 2 ** 20

let saying: Buffer[] = []
let size = 0
let told: (() => void)[] = []

function flush(): void {
  if (saying.length === 0) return
  const whenSaid = told
  channel.send(joined(saying), -1, () => {
    for (const said of whenSaid) said()
  })
  saying = []
  size = 0
  told = []
}

const ends: WorkerEnds = {
  say(message, said) {
    const bytes = encode(message)
    if (size + bytes.length > mostInOne) flush()
    size += bytes.length
    if (saying.push(bytes) === 1) process.nextTick(flush)
    if (said !== undefined) told.push(said)
  },
  adopt: (_fd, handle) => handle as number | undefined,
  leave() {
    flush()
    process.exit()
  },
  fail: () => process.exit(1)
}
const worker = new ServeWorker(ends)
const channel = new DescriptorChannel(
  channelFd,
  {
    // What its pool sends is as long as it is.
    longest: Number.POSITIVE_INFINITY,
    message(bytes, fd) {
      const message = decode(bytes) as PoolMessage
      const isFor = message.type === 'take' && message.carriage.by === 'descriptor'
      if (fd >= 0 && !isFor) closeEnd(fd)
      worker.heard(message, fd >= 0 && isFor ? fd : undefined)
    },
    // The parent has died, or has let go.
    ended: () => process.exit()
  },
  true
)
process.on('uncaughtExceptionMonitor', (error) => {
  ends.say({ type: 'crashed', error: recordError(toError(error)) })
  flush()
})
await worker.load(moduleURL)
