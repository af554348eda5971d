"""A socket that is disconnected, connect(2) with AF_UNSPEC, and then used again.

    disconnect.py serve FIRST SECOND                     listens on two ports; whoever says something is told which one it is
    disconnect.py elsewhere HOST FIRST SECOND COUNT      leaves the answer of the first unread, then reads the one of the second
    disconnect.py beside HOST FIRST SECOND COUNT         the same, and the second is a listener of this process that no sidecar stands before
    disconnect.py listening HOST FIRST SECOND COUNT      leaves the answer unread, then listens, and reads what it accepts
    disconnect.py alone HOST FIRST SECOND COUNT          leaves the answer unread, and asks what the socket says then
    disconnect.py again HOST FIRST SECOND COUNT          one socket for all connections: each is read to its end

A client prints a line for each connection.
"""
import ctypes
import errno
import os
import select
import socket
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
FIRST, SECOND, OWN = b'of the first server', b'of the second server', b'of its own'


def serve(port, text):
    def answer(connection):
        with connection:
            try:
                while connection.recv(10):
                    connection.sendall(text)
            except OSError:
                pass  # reset, as a disconnected socket does

    listener = socket.create_server(('0.0.0.0', port), backlog=128)
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def disconnect(connection):
    address = ctypes.create_string_buffer(16)  # sin_family 0 is AF_UNSPEC
    if libc.connect(connection.fileno(), address, len(address)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def ask(connection, host, port):
    connection.connect((host, port))
    connection.sendall(b'hello')


def leave_unread(host, port):
    connection = socket.socket()
    connection.settimeout(10)  # a read that hangs
    ask(connection, host, port)
    if not select.select([connection], [], [], 10)[0]:
        raise TimeoutError('no answer')
    disconnect(connection)
    return connection


def read(connection, text):
    got = b''
    while len(got) < len(text):
        part = connection.recv(100)
        if not part:
            break
        got += part
    return got.decode()


def elsewhere(host, first, second):
    with leave_unread(host, first) as connection:
        ask(connection, host, second)
        return read(connection, SECOND)


def beside(host, first, _):
    with socket.create_server(('127.0.0.1', 0)) as listener, leave_unread(host, first) as connection:
        connection.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            accepted.sendall(OWN)
            return read(connection, OWN)


def listening(host, first, _):
    with leave_unread(host, first) as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            with accepted:
                client.sendall(OWN)
                got = read(accepted, OWN)
                accepted.sendall(OWN)
                return f'{got} {read(client, OWN)}'


def said(call):
    try:
        return repr(call())
    except OSError as error:
        return errno.errorcode.get(error.errno, repr(error))


def alone(host, first, _):
    with leave_unread(host, first) as connection:
        poll = select.poll()
        poll.register(connection, select.POLLIN | select.POLLOUT)
        connection.setblocking(False)
        return ' '.join([
            said(lambda: connection.recv(100)), said(lambda: connection.recv(100)), said(lambda: connection.send(b'x', socket.MSG_NOSIGNAL)), said(connection.getpeername),
            said(lambda: connection.shutdown(socket.SHUT_WR)), str(poll.poll(0)[0][1]),
        ])


reused = socket.socket()


def again(host, first, second):
    reused.settimeout(10)
    which = again.count % 2
    again.count += 1
    ask(reused, host, (first, second)[which])
    got = read(reused, (FIRST, SECOND)[which])
    disconnect(reused)
    return 'ok' if got == (FIRST, SECOND)[which].decode() else got


again.count = 0


def main():
    if sys.argv[1] == 'serve':
        threading.Thread(target=serve, args=(int(sys.argv[2]), FIRST), daemon=True).start()
        serve(int(sys.argv[3]), SECOND)
    case = {'elsewhere': elsewhere, 'beside': beside, 'listening': listening, 'alone': alone, 'again': again}[sys.argv[1]]
    host, (first, second, count) = sys.argv[2], map(int, sys.argv[3:])
    for _ in range(count):
        try:
            outcome = case(host, first, second)
        except OSError as error:
            outcome = f'{type(error).__name__}: {error}'
        print(outcome, flush=True)
    if case is again:
        print('done', flush=True)
        sys.stdin.read()  # the socket stays until then


main()
