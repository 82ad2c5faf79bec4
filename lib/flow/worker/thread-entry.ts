import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { adoptDescriptor } from '../../accept/stream/adopt.ts'
import type { PoolMessage } from './messages.ts'
import { ownBytes } from './own-bytes.ts'
import { ServeWorker, type WorkerEnds } from './serve-worker.ts'

const port = parentPort as MessagePort

const ends: WorkerEnds = {
  say(message, said) {
    const [own, transferred] = ownBytes(message)
    port.postMessage(own, transferred)
    said?.()
  },
  adopt: (fd) => adoptDescriptor(fd),
  // The thread, not the process; not before it has loaded: Node leaves the file open that it reads then.
  leave() {
    void loading.then(() => process.exit())
  },
  fail() {
    process.exit(1)
  }
}

const worker = new ServeWorker(ends)
port.on('message', (message: PoolMessage) => worker.heard(message, undefined))
const loading = worker.load(workerData as string)
await loading
