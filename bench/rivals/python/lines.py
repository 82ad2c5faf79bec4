import socketserver


class Lines(socketserver.StreamRequestHandler):
    # With it on, the second line of an answer would wait for the client to acknowledge the first one.
    disable_nagle_algorithm = True

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    # Its own 5 would make clients wait a second for each connection that finds the queue full.
    request_queue_size = 1024


with Server(("127.0.0.1", 0), Lines) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
