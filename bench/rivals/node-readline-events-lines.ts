import { type AddressInfo, createServer } from 'node:net'
import { createInterface } from 'node:readline'

// Without noDelay the second line of an answer would wait for the client to acknowledge the first one.
const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {
    socket.destroy()
  })
  createInterface({ input: socket, crlfDelay: Infinity }).on('line', (line) => {
    socket.write(`${line}\n`)
  })
})

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
