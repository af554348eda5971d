"""tcp.py HOST PORT [TEXT]: sends the text, if there is one, ends its side, and prints all that comes back."""
import socket, sys

host, port, *text = sys.argv[1:]
with socket.create_connection((host, int(port)), timeout=5) as connection:
    peer = connection.getpeername()
    if text:
        connection.sendall(text[0].encode())
        connection.shutdown(socket.SHUT_WR)
    received = b''
    while part := connection.recv(65536):
        received += part
print(f'{peer[0]}:{peer[1]} {received.decode().strip()}')
