const newline = 10

const server = Bun.listen({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    open(socket) {
      socket.data = undefined
    },
    data(socket, bytes) {
      const received = socket.data === undefined ? bytes : Buffer.concat([socket.data, bytes])
      const end = received.indexOf(newline)
      if (end === -1) socket.data = received
      else socket.end(received.subarray(0, end + 1))
    }
  }
})

console.log(server.port)
