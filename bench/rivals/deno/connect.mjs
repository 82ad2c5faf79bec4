const newline = 10

async function answer(connection) {
  const slab = new Uint8Array(4_096)
  try {
    let received = 0
    let end = -1
    while (end === -1) {
      const size = await connection.read(slab.subarray(received))
      if (size === null || size === 0) return
      received += size
      end = slab.subarray(0, received).indexOf(newline)
    }
    for (let sent = 0; sent <= end; ) sent += await connection.write(slab.subarray(sent, end + 1))
  } catch {
    // the client has gone
  } finally {
    connection.close()
  }
}

const listener = Deno.listen({ hostname: '127.0.0.1', port: 0 })
console.log(listener.addr.port)
for await (const connection of listener) void answer(connection)
