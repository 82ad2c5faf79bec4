// Clients that come again and again. Each checks that it gets its own bytes back, all of them, and then the end.
// Arguments: where (a port, or a path), how many, a seed. Told to stop, it prints what became of its visits.
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const [, , where, many, seed] = process.argv
const target = /^\d+$/.test(where) ? { host: '127.0.0.1', port: Number(where) } : { path: where }
const deadline = 5_000

const report = { visits: 0, whole: 0, bytes: 0, cut: [], wrong: [], late: [] }
let state = Number(seed)
let stopping = false

function random(below) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

// Each begins elsewhere: nobody's bytes are like another's.
const source = Buffer.from(Array.from({ length: 1 << 20 }, () => random(256)))

function sizeOfVisit() {
  const kind = random(20)
  if (kind === 0) return 100_000 + random(200_000)
  return kind < 8 ? 1_000 + random(20_000) : 1 + random(200)
}

function visit() {
  const size = sizeOfVisit()
  const from = random(source.length - size)
  const bytes = source.subarray(from, from + size)
  // What is sent before the first of it has come back; all, or less.
  const first = random(2) === 0 ? size : Math.ceil(size / 2)
  report.visits++
  return new Promise((resolve) => {
    const socket = connect({ ...target, allowHalfOpen: true })
    let port
    let got = 0
    let over = false
    const end = (kind, why) => {
      if (over) return
      over = true
      clearTimeout(timer)
      if (kind === 'whole') report.whole++
      else report[kind].push({ port, why: `${why}, ${got} of ${size} bytes` })
      report.bytes += got
      socket.destroy()
      resolve()
    }
    const timer = setTimeout(() => end('late', `${deadline} ms are over`), deadline)
    socket.on('connect', () => {
      port = socket.localPort
      socket.write(bytes.subarray(0, first))
      if (first === size) socket.end()
    })
    socket.on('data', (chunk) => {
      if (!chunk.equals(bytes.subarray(got, got + chunk.length))) end('wrong', 'other bytes')
      const wasNothing = got === 0
      got += chunk.length
      if (wasNothing && first < size) socket.end(bytes.subarray(first))
    })
    socket.on('end', () => end(got === size ? 'whole' : 'cut', 'the end'))
    socket.on('error', (error) => end('cut', error.code))
    socket.on('close', () => end('cut', 'closed'))
  })
}

async function client() {
  while (!stopping) await visit()
}

const clients = Array.from({ length: Number(many) }, client)
process.stdout.write('begun\n')
// Or who has started it has gone.
createInterface({ input: process.stdin })
  .once('close', process.exit)
  .once('line', async () => {
    stopping = true
    await Promise.all(clients)
    process.stdout.write(`${JSON.stringify(report)}\n`)
    process.exit()
  })
