// Clients that come again and again: connect, send a line, await the whole answer, and its end. Arguments: where (a port, or
// a path), how many. Told «until DEPLOY COUNT» it prints a line when so many were answered by that deploy; told «stop» it
// prints what became of all visits.
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { bytesFor } from './answer.mjs'

const [, , where, many] = process.argv
const target = /^\d+$/.test(where) ? { host: '127.0.0.1', port: Number(where) } : { path: where }
// Who has no answer by then has been forgotten: a handshake that is tried again for the third time comes after 7 s.
const patience = 12_000

const report = { visits: 0, whole: 0, answeredBy: {}, lost: {}, wrong: [], late: [] }
let stopping = false
let awaited

function answered(by) {
  report.whole++
  report.answeredBy[by] = (report.answeredBy[by] ?? 0) + 1
  if (awaited !== undefined && (report.answeredBy[awaited.by] ?? 0) >= awaited.count) {
    awaited = undefined
    process.stdout.write('so many\n')
  }
}

function visit(who) {
  const name = `${who}-${report.visits++}`
  // Now and then one that does not fit into what the kernel holds for a connection at once.
  const size = report.visits % 50 === 0 ? 1_000_000 : report.visits % 2_000
  return new Promise((resolve) => {
    const socket = connect(target)
    const chunks = []
    let got = 0
    const end = (how) => {
      clearTimeout(timer)
      how()
      socket.removeAllListeners().on('error', () => {})
      socket.destroy()
      resolve()
    }
    const wrong = (why) => end(() => report.wrong.push(`${name}: ${why}, ${got} of ${size} bytes`))
    const timer = setTimeout(
      () => end(() => report.late.push(`${name}: ${socket.connecting ? 'not connected' : `${got} of ${size} bytes`}`)),
      patience
    )
    socket.on('connect', () => socket.write(`${name} ${size}\n`))
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      got += chunk.length
    })
    socket.on('end', () => {
      const answer = Buffer.concat(chunks)
      const by = /^by (.+)\n$/.exec(answer.toString('latin1', size))?.[1]
      if (by === undefined || !answer.subarray(0, size).equals(bytesFor(name, size))) wrong('other bytes, and the end')
      else end(() => answered(by))
    })
    socket.on('error', ({ code }) => {
      const isLost = got === 0 && ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOENT'].includes(code)
      if (isLost) end(() => (report.lost[code] = (report.lost[code] ?? 0) + 1))
      else wrong(code)
    })
    socket.on('close', () => wrong('closed'))
  })
}

async function client(_, who) {
  while (!stopping) await visit(who)
}

const clients = Array.from({ length: Number(many) }, client)
process.stdout.write('begun\n')
createInterface({ input: process.stdin })
  // Or who has started it has gone.
  .once('close', process.exit)
  .on('line', async (line) => {
    const [word, by, count] = line.split(' ')
    if (word === 'until') {
      awaited = { by, count: Number(count) }
      return
    }
    stopping = true
    await Promise.all(clients)
    process.stdout.write(`${JSON.stringify(report)}\n`)
    process.exit()
  })
