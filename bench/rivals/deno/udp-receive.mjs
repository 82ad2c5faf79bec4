const socket = Deno.listenDatagram({ transport: 'udp', hostname: '127.0.0.1', port: 0 })
console.log(socket.addr.port)

const slab = new Uint8Array(65_536)
for (;;) {
  const [packet, from] = await socket.receive(slab)
  await socket.send(packet, from)
}
