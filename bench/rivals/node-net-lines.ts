import { type AddressInfo, createServer } from 'node:net'

// Without noDelay the second line of an answer would wait for the client to acknowledge the first one.
const server = createServer({ noDelay: true }, (socket) => {
  let received = ''
  socket.setEncoding('utf8')
  socket.on('data', (text) => {
    const lines = (received + text).split('\n')
    received = lines.pop() ?? ''
    for (const line of lines) socket.write(`${line}\n`)
  })
  socket.on('error', () => {
    socket.destroy()
  })
})

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
