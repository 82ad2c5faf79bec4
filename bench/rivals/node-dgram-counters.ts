import { createSocket } from 'node:dgram'
import { Counters } from '../harness/counters.ts'

const counters = new Counters(Number(process.argv[2]))
const socket = createSocket('udp4')

socket.on('message', (packet) => {
  counters.add(packet)
})

socket.bind(0, '127.0.0.1', () => {
  process.stdout.write(`${socket.address().port}\n`)
  counters.note()
})
