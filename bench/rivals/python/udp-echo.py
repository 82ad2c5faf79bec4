import socketserver


class Echo(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.packet)


with socketserver.UDPServer(("127.0.0.1", 0), Echo) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
