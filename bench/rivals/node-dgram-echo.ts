import { createSocket } from 'node:dgram'

// A numeric address needs no look-up: without this each send would go by dns.lookup, which nobody who measures keeps.
const socket = createSocket({ type: 'udp4', lookup: (host, _options, callback) => callback(null, host, 4) })

socket.on('message', (packet, from) => {
  socket.send(packet, from.port, from.address)
})

socket.bind(0, '127.0.0.1', () => {
  process.stdout.write(`${socket.address().port}\n`)
})
