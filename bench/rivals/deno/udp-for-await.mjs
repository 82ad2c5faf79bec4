const socket = Deno.listenDatagram({ transport: 'udp', hostname: '127.0.0.1', port: 0 })
console.log(socket.addr.port)
for await (const [packet, from] of socket) await socket.send(packet, from)
