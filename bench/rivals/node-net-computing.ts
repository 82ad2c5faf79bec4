import { type AddressInfo, createServer } from 'node:net'
import { compute } from '../harness/computing.ts'

const server = createServer((socket) => {
  let received = ''
  socket.setEncoding('utf8')
  socket.on('data', (text) => {
    received += text
    const end = received.indexOf('\n')
    if (end === -1) return
    compute()
    socket.end(received.slice(0, end + 1))
  })
  socket.on('error', () => {
    socket.destroy()
  })
})

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
