import asyncio


class Echo(asyncio.BufferedProtocol):
    def connection_made(self, transport):
        self.transport = transport
        self.slab = bytearray(65536)
        self.view = memoryview(self.slab)

    def get_buffer(self, hint):
        return self.slab

    def buffer_updated(self, size):
        # A copy: what does not leave at once is kept while the slab is read into again.
        self.transport.write(bytes(self.view[:size]))


async def main():
    loop = asyncio.get_running_loop()
    # Its own 100 would make clients wait a second where they come all at once.
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
