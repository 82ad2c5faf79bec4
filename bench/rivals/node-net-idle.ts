import { type AddressInfo, createServer } from 'node:net'
import { noteMemory } from '../harness/memory.ts'

let open = 0

const server = createServer({ noDelay: true }, (socket) => {
  open++
  socket.on('data', (chunk) => {
    socket.write(chunk)
  })
  socket.on('error', () => {
    socket.destroy()
  })
  socket.on('close', () => {
    open--
  })
})

server.listen(0, '127.0.0.1', () => {
  noteMemory(() => open)
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
