import { adoptSocket } from '../../accept/stream/adopt.ts'
import { toError } from '../../outcome.ts'
import { beginChild } from './begin-child.ts'
import { recordError } from './error-record.ts'
import type { PoolMessage } from './messages.ts'
import { ServeWorker, type WorkerEnds } from './serve-worker.ts'

const moduleURL = beginChild()

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
