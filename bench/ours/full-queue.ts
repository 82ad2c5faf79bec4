import { type DatagramRequest, parallel, UnixDatagramServer } from 'it-socketserver'
import { tellNotes } from '../harness/notes.ts'
import { OwnCPU } from '../harness/own-cpu.ts'

// One number says where it is, as of every server here.
const number = 1 + (process.pid % 65_535)
// Longer than any turn: a reply that is given up waits no more.
const server = new UnixDatagramServer({ path: `\0it-socketserver-bench/${number}`, sendTimeout: 600_000 })
const own = new OwnCPU()
let begun = 0
let ended = 0

tellNotes(() => {
  const { seconds, cpu } = own.take()
  return { cpu: [(cpu / seconds) * 100], waiting: [begun - ended] }
})

const answers = parallel(
  async (request: DatagramRequest) => {
    begun++
    await request.wfile.write(request.packet)
  },
  { limit: 10_000 }
)

await server.listen()
process.stdout.write(`${number}\n`)
for await (const _ of answers(server)) ended++
