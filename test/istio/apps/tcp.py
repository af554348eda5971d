"""tcp.py HOST PORT [TEXT]: sends the text, if there is one, and prints the line that comes back.

It keeps its side open until then: Envoy logs nothing of a connection that ends while it looks for TLS, and whether it
does is a matter of chance.
"""
import socket, sys

host, port, *text = sys.argv[1:]
with socket.create_connection((host, int(port)), timeout=5) as connection:
    peer = connection.getpeername()
    if text:
        connection.sendall(text[0].encode() + b'\n')
    received = b''
    while not received.endswith(b'\n'):
        part = connection.recv(65536)
        if not part:
            sys.exit(f'{peer[0]}:{peer[1]} ended after {received!r}')
        received += part
print(f'{peer[0]}:{peer[1]} {received.decode().strip()}')
