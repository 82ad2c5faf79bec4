async function echo(connection) {
  const slab = new Uint8Array(65_536)
  try {
    connection.setNoDelay(true)
    for (;;) {
      const size = await connection.read(slab)
      if (size === null) return
      for (let sent = 0; sent < size; ) sent += await connection.write(slab.subarray(sent, size))
    }
  } catch {
    // the client has gone
  } finally {
    connection.close()
  }
}

const listener = Deno.listen({ hostname: '127.0.0.1', port: 0 })
console.log(listener.addr.port)
for await (const connection of listener) void echo(connection)
