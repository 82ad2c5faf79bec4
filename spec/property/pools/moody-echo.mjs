// An echo that ends its thread or its process now and then, in the way that MOOD says.
import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'

// What a process says when it dies of an error is not for those who run the specs.
if (isMainThread) {
  closeSync(2)
  openSync('/dev/null', 'w')
}

const ways = {
  throws: () =>
    setImmediate(() => {
      throw new RangeError('outside of any handler')
    }),
  rejects: () => void Promise.reject(new RangeError('outside of any handler')),
  exits: () => process.exit(3),
  hoards: () => {
    const hoard = []
    for (;;) hoard.push(new Array(100_000).fill(hoard.length))
  },
  loops: () => {
    for (;;);
  }
}

const end = ways[process.env.MOOD]
let left = 20 + Math.floor(Math.random() * 50)

export default async (request) => {
  await sleep(5)
  if (--left === 0) end()
  for await (const bytes of request.rfile) await request.wfile.write(bytes)
}
