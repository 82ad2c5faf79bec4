import { dieWithParent } from '../../accept/native/die-with-parent.ts'
import { adoptSocket } from '../../accept/stream/adopt.ts'
import { toError } from '../../outcome.ts'
import { recordError } from './error-record.ts'
import type { PoolMessage } from './messages.ts'
import { ServeWorker, type WorkerEnds } from './serve-worker.ts'

const [, , moduleURL = '', parent] = process.argv

dieWithParent()
// It may have gone before that.
if (process.ppid !== Number(parent)) process.exit()

// What the terminal, or whoever stops a whole service, says to all processes is for the pool to act upon: it drains.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})

// The parent has died, or has let go.
process.on('disconnect', () => process.exit())

const ends: WorkerEnds = {
  say(message, said) {
    if (!process.connected) return
    process.send?.(message, undefined, {}, (error) => {
      if (error === null) said?.()
    })
  },
  adopt: (_fd, handle) => (handle === undefined || handle === null ? undefined : adoptSocket(handle)),
  // Later: Node goes on to use its channel after it has told of a message.
  leave() {
    setImmediate(() => process.exit())
  },
  fail() {
    process.exit(1)
  }
}

process.on('uncaughtExceptionMonitor', (error) => ends.say({ type: 'crashed', error: recordError(toError(error)) }))

const worker = new ServeWorker(ends)
process.on('message', (message, handle) => worker.heard(message as PoolMessage, handle))
await worker.load(moduleURL)
