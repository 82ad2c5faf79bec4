// Says to its pool, by whichever channel it has, what no worker says; which of it its client says, in a line.
import { writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

const report = { type: 'report', id: 1, status: 'fulfilled', value: 1, notes: [], bytesIn: 0, bytesOut: 0 }

const words = {
  null: null,
  'a number': 5,
  'an unknown word': { type: 'toString', id: 1 },
  'a stranger’s report': { ...report, id: 99, notes: 5 },
  'a close that is none': { type: 'close', server: 1, deadline: 'soon' },
  'no error': { type: 'failed' },
  'a report of nothing': { type: 'report', id: 1 },
  'a report without notes': { ...report, notes: undefined },
  'counts that are none': { ...report, bytesIn: '5', bytesOut: -1 },
  'more than the window': { type: 'credit', id: 1, bytes: 2 ** 52 },
  'bytes that are none': { type: 'data', id: 1, bytes: 'text' }
}

function say(word) {
  if (parentPort !== null) parentPort.postMessage(word)
  else if (process.send !== undefined) process.send(word)
  else {
    // Of our own: a whole one, its length, JSON, and what it says.
    const text = Buffer.from(JSON.stringify(word))
    const head = Buffer.alloc(6)
    head.writeUInt32LE(1 + text.length, 1)
    writeSync(3, Buffer.concat([head, text]))
  }
}

export default async ({ rfile, wfile }) => {
  const word = String(await rfile.readLine({ chomp: true }))
  if (word in words) say(words[word])
  await wfile.end('said\n')
  // What is fatal is heard before the work has ended.
  if (Object.keys(words).indexOf(word) >= Object.keys(words).indexOf('a report of nothing')) await new Promise(() => {})
}
