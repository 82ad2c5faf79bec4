// Sends back a line; asked for it, it says what it has: bytes of its heap after a collection, and descriptors.
import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { threadId } from 'node:worker_threads'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

export async function left() {
  for (let i = 0; i < 4; i++) {
    gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, rss, external } = process.memoryUsage()
  return { pid: process.pid, threadId, heapUsed, external, rss, fds: readdirSync('/proc/self/fd').length }
}

export default async ({ rfile, wfile }) => {
  const line = await rfile.readLine()
  await wfile.end(String(line) === 'what is left?\n' ? JSON.stringify(await left()) : line)
}
