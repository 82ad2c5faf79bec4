// What the kernel did not take, per socket, until it has room again
const rests = new WeakMap()

function write(socket, bytes) {
  const sent = Math.max(0, socket.write(bytes))
  if (sent < bytes.length) rests.set(socket, bytes.subarray(sent))
}

const server = Bun.listen({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    data(socket, bytes) {
      const rest = rests.get(socket)
      if (rest === undefined) write(socket, bytes)
      else rests.set(socket, Buffer.concat([rest, bytes]))
    },
    drain(socket) {
      const rest = rests.get(socket)
      if (rest === undefined) return
      rests.delete(socket)
      write(socket, rest)
    },
    close(socket) {
      rests.delete(socket)
    }
  }
})

console.log(server.port)
