import socketserver


class Echo(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        while chunk := self.rfile.read1(65536):
            self.wfile.write(chunk)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    # Its own 5 would make clients wait a second for each connection that finds the queue full.
    request_queue_size = 1024


with Server(("127.0.0.1", 0), Echo) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
