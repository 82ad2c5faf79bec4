import { type DatagramRequest, drain, parallel, pipe, UnixDatagramServer } from 'it-socketserver'

// One number says where it is, as of every server here.
const number = 1 + (process.pid % 65_535)
const server = await new UnixDatagramServer({ path: `\0it-socketserver-bench/${number}` }).listen()
process.stdout.write(`${number}\n`)
await pipe(
  server,
  parallel((request: DatagramRequest) => request.wfile.write(request.packet), { limit: 10_000 }),
  drain
)
