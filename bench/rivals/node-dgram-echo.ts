import { createSocket } from 'node:dgram'

const socket = createSocket('udp4')

socket.on('message', (packet, from) => {
  socket.send(packet, from.port, from.address)
})

socket.bind(0, '127.0.0.1', () => {
  process.stdout.write(`${socket.address().port}\n`)
})
