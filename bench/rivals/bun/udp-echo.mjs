// Replies that the kernel had no room for
const waiting = []

const server = await Bun.udpSocket({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    data(socket, packet, port, address) {
      if (!socket.send(packet, port, address)) waiting.push([Buffer.from(packet), port, address])
    },
    drain(socket) {
      while (waiting.length > 0 && socket.send(...waiting[0])) waiting.shift()
    }
  }
})

console.log(server.port)
