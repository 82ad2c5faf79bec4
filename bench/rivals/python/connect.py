import socketserver
import sys


class Connect(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())


# TCPServer, ThreadingTCPServer or ForkingTCPServer
class Server(getattr(socketserver, sys.argv[1])):
    daemon_threads = True
    # Its own 5 would make clients wait a second for each connection that finds the queue full.
    request_queue_size = 1024


with Server(("127.0.0.1", 0), Connect) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
