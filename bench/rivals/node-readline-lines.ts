import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

async function echo(socket: Socket): Promise<void> {
  for await (const line of createInterface({ input: socket, crlfDelay: Infinity })) socket.write(`${line}\n`)
}

// Without noDelay the second line of an answer would wait for the client to acknowledge the first one.
const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {
    socket.destroy()
  })
  void echo(socket)
})

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
