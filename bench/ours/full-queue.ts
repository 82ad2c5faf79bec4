import { type DatagramRequest, drain, parallel, UnixDatagramServer } from 'it-socketserver'
import { tellNotes } from '../harness/notes.ts'
import { OwnCPU } from '../harness/own-cpu.ts'

// One number says where it is, as of every server here.
const number = 1 + (process.pid % 65_535)
const server = new UnixDatagramServer({
  path: `\0it-socketserver-bench/${number}`,
  // Longer than any turn: a reply that is given up waits no more.
  sendTimeout: 600_000,
  // A quarter of them may wait for one peer.
  maxQueuedReplies: 2_000
})
const own = new OwnCPU()

tellNotes(() => {
  const { seconds, cpu } = own.take()
  return { cpu: [(cpu / seconds) * 100], waiting: [server.stats().open] }
})

const answers = parallel(
  async (request: DatagramRequest) => {
    await request.wfile.write(request.packet)
  },
  { limit: 10_000 }
)

await server.listen()
process.stdout.write(`${number}\n`)
await drain(answers(server))
