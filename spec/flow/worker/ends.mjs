// Does what its client says, in a line.
import { execFileSync } from 'node:child_process'
import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'

const ways = {
  // Says who it is, and stays until the client has gone.
  async stay(request) {
    await request.wfile.write(`${process.pid}\n`)
    await request.rfile.readAll()
  },
  async pid(request) {
    await request.wfile.end(`${process.pid}\n`)
  },
  // Has answered, and goes on all the same.
  async answered(request) {
    await ways.pid(request)
    await new Promise(() => {})
  },
  async stuck(request) {
    await request.wfile.write(`${process.pid}\n`)
    await request.wfile.flush()
    for (;;);
  },
  async listening(request) {
    createServer().listen(0)
    process.on('disconnect', () => {})
    await ways.stay(request)
  },
  async disconnect(request) {
    await request.wfile.write('about to\n')
    await request.wfile.flush()
    process.disconnect()
    await new Promise(() => {})
  },
  async exit(request) {
    await request.wfile.write('about to\n')
    await request.wfile.flush()
    process.exit(0)
  },
  async throwOutside() {
    setImmediate(() => {
      throw new RangeError('outside of any handler')
    })
    await new Promise(() => {})
  },
  async rejectOutside() {
    void Promise.reject(new RangeError('outside of any handler'))
    await new Promise(() => {})
  },
  async heap() {
    const hoard = []
    for (;;) hoard.push(new Array(1_000_000).fill(hoard.length))
  },
  // Takes all descriptors that there are, that of its connection too when it has gone, and keeps them.
  async hoard(request) {
    await request.wfile.write(`${process.pid}\n`)
    await request.wfile.flush()
    execFileSync('prlimit', ['--nofile=60', '--pid', String(process.pid)])
    setInterval(() => {
      try {
        for (;;) openSync('/dev/null')
      } catch {}
    }, 1)
  },
  // Takes the number of the channel for that of something else.
  async scribble() {
    writeSync(3, 'none of yours\n')
    await new Promise(() => {})
  },
  // Is not impressed by its end, for a while.
  async stubborn(request) {
    await request.wfile.write('begun\n')
    await new Promise((resolve) => request.signal.addEventListener('abort', resolve))
    await new Promise((resolve) => setTimeout(resolve, 50))
    return 'done after all'
  }
}

export default async (request) => {
  const word = await request.rfile.readLine({ chomp: true })
  return ways[word](request)
}
