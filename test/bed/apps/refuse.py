"""Ends of connections that are no orderly ends.

    refuse.py serve PORT            a server that does what the first line of the client tells it
    refuse.py ask HOST PORT COUNT HOW

HOW, what the server does:
    peek      looks at the first bytes and closes: what a sidecar does with plain text under STRICT
    peek-two  the client sends twice before that
    peek-big  the client sends a megabyte
    part      reads the first bytes, leaves the rest and closes
    late      answers the first message, looks at the second and closes
    linger    answers, and closes with SO_LINGER 0; the client reads after that

The client prints a line for each connection: what it read, and how that ended.
"""
import errno
import select
import socket
import struct
import sys
import threading
import time

HTTP = b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-how: %s\r\n\r\n'


def how_of(connection):
    """What the client wants, without a byte read."""
    while True:
        got = connection.recv(1000, socket.MSG_PEEK)
        if not got:
            return b''
        _, found, rest = got.partition(b'x-how: ')  # as proxies spell it
        if found and b'\r\n' in rest:
            return rest.partition(b'\r\n')[0]
        time.sleep(0.001)  # MSG_PEEK shows the same again


def refuse(connection):
    with connection:
        how = how_of(connection)
        if how == b'peek-two':
            time.sleep(0.05)
        elif how == b'part':
            connection.recv(5)
        elif how == b'late':
            connection.recv(1000)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK')
            connection.recv(5, socket.MSG_PEEK)
        elif how == b'linger':
            connection.recv(1000)
            connection.sendall(b'answer')
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


def serve(port):
    listener = socket.create_server(('0.0.0.0', port), backlog=128)
    while True:
        threading.Thread(target=refuse, args=(listener.accept()[0],), daemon=True).start()


def ask(host, port, how):
    with socket.socket() as connection:
        connection.settimeout(10)
        connection.connect((host, port))
        got = b''
        try:
            connection.sendall(HTTP % how.encode())
            if how == 'peek-big':
                connection.sendall(bytes(1_000_000))
            elif how == 'peek-two':
                connection.sendall(b'more')
            elif how == 'late':
                got = connection.recv(1000)
                connection.sendall(b'more')
            elif how == 'linger':
                select.select([connection], [], [], 10)
                time.sleep(0.05)
            while part := connection.recv(1000):
                got += part
            end = 'end'
        except OSError as error:
            end = errno.errorcode.get(error.errno, type(error).__name__)
        return ' '.join([*got.decode().split('\r\n')[-1:], end]).strip()


def main():
    if sys.argv[1] == 'serve':
        serve(int(sys.argv[2]))
    host, port, count, how = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    for _ in range(count):
        print(ask(host, port, how), flush=True)


main()
