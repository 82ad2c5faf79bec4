// The same in a process that has room for a few connections only: it says whether it was full.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

execFileSync('prlimit', ['--nofile=30', '--pid', String(process.pid)])

export default async (request) => {
  await sleep(20)
  const full = isFull()
  for await (const bytes of request.rfile) await request.wfile.write(bytes)
  return full
}

function isFull() {
  try {
    readdirSync('/proc/self/fd')
    return false
  } catch (error) {
    return error.code === 'EMFILE'
  }
}
