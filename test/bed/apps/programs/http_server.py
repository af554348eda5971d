"""A server of http.server, a thread for each connection: `http_server.py PORT FOLDER`. As aiohttp_server.py otherwise, but with blocking sockets."""
import hashlib
import http.server
import os
import shutil
import sys

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        with open(os.path.join(FOLDER, os.path.basename(self.path)), 'rb') as body:
            self.head(os.fstat(body.fileno()).st_size)
            shutil.copyfileobj(body, self.wfile)

    def do_PUT(self):
        digest, size = hashlib.sha256(), 0
        length = int(self.headers['Content-Length'])
        while size < length and (chunk := self.rfile.read(min(65536, length - size))):
            digest.update(chunk)
            size += len(chunk)
        answer = f'{size} {digest.hexdigest()}'.encode()
        self.head(len(answer))
        self.wfile.write(answer)

    def head(self, length):
        self.send_response(200)
        self.send_header('Content-Length', str(length))
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(('0.0.0.0', PORT), Handler).serve_forever()
