"""Programs on blocking sockets, as most programs are: each call must do what it does over TCP, and none may answer EAGAIN.

    blocking.py serve PORT                         a server; HTTP on the port after it
    blocking.py upload HOST PORT COUNT MIN MAX SEED  sends MIN to MAX bytes at once, then waits for one byte, then for the rest
    blocking.py put HOST PORT COUNT MIN MAX SEED       the same as a PUT of http.client
    blocking.py half HOST PORT COUNT MIN MAX SEED      sends, half-closes, waits for the answer
    blocking.py pieces HOST PORT COUNT MIN MAX SEED    the same in pieces of 100 bytes, so that the other end is at work when the last one is sent
    blocking.py unread HOST PORT COUNT MIN MAX SEED    sends and half-closes with a greeting of the server unread, then reads it and the answer
    blocking.py patient HOST PORT COUNT MIN MAX SEED   the same, and the answer takes 3 seconds
    blocking.py flooded HOST PORT COUNT MIN MAX SEED   the same as unread, and 8 MB come before the answer
    blocking.py first HOST PORT COUNT MIN MAX SEED     the server half-closes first and reads on
    blocking.py late HOST PORT COUNT MIN MAX SEED      the same, but half of what is sent to it is unread when it half-closes
    blocking.py handed HOST PORT COUNT MIN MAX SEED    sends a part, hands the socket to another process (SCM_RIGHTS), which does the rest

HOST with a colon makes an AF_INET6 socket. A client prints a line for each connection: `ok`, or what went wrong.
"""
import http.client
import http.server
import os
import random
import socket
import sys
import threading
import time
import zlib

BLOCK = random.Random(15).randbytes(1_000_003)  # prime, so that nothing lost or moved goes unseen


def body_of(size):
    return (BLOCK * (size // len(BLOCK) + 1))[:size]


def answer_to(body):
    return b'%d %08x\n' % (len(body), zlib.crc32(body))


class Reader:
    """What a connection brings, counted and summed up."""

    def __init__(self, connection):
        self.connection, self.rest, self.size, self.sum = connection, b'', 0, 0

    def line(self):
        while b'\n' not in self.rest:
            part = self.connection.recv(64)
            if not part:
                raise EOFError('the stream ends in its first line')
            self.rest += part
        line, _, self.rest = self.rest.partition(b'\n')
        return line.decode()

    def read(self, size=None):
        """All until the end of the stream, or this many bytes."""
        part = self.rest
        while True:
            self.size += len(part)
            self.sum = zlib.crc32(part, self.sum)
            if size is not None and self.size >= size:
                break
            part = self.connection.recv(1 << 16)
            if not part:
                break
        return b'%d %08x\n' % (self.size, self.sum)


results = {}
change = threading.Condition()


def serve_one(connection):
    with connection:
        reader = Reader(connection)
        verb, argument = reader.line().split()
        if verb == 'take':
            connection.sendall(reader.read(int(argument)))
        elif verb == 'all':
            answer = reader.read()
            time.sleep(0.03)  # so that the client waits for it already
            connection.sendall(answer)
        elif verb in ('greet', 'flood'):
            connection.sendall(b'hello')
            answer = reader.read()
            if verb == 'flood':
                connection.sendall(BLOCK * 8)
            time.sleep(float(argument))
            connection.sendall(answer)
        elif verb in ('first', 'late'):
            if verb == 'late':
                time.sleep(0.03)  # so that there is something unread
            connection.sendall(b'hello')
            connection.shutdown(socket.SHUT_WR)
            try:
                answer = reader.read()
            except OSError as error:
                answer = f'the server: {name_of(error)}\n'.encode()
            with change:
                results[argument] = answer
                change.notify_all()
        elif verb == 'told':
            with change:
                change.wait_for(lambda: argument in results)
                connection.sendall(results.pop(argument))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_PUT(self):
        left, total, size = int(self.headers['Content-Length']), 0, 0
        while left:
            part = self.rfile.read1(min(left, 1 << 16))
            if not part:
                return
            left, size, total = left - len(part), size + len(part), zlib.crc32(part, total)
        answer = b'%d %08x\n' % (size, total)
        self.send_response(200)
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def serve(port):
    web = http.server.ThreadingHTTPServer(('0.0.0.0', port + 1), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    server = socket.create_server(('0.0.0.0', port), backlog=128)
    while True:
        threading.Thread(target=serve_one, args=(server.accept()[0],), daemon=True).start()


def dial(host, port):
    connection = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
    connection.connect((host, port))
    return connection


def rest_of(connection, got=b''):
    parts = [got]
    while part := connection.recv(100 if len(parts) < 100 else 1 << 16):
        parts.append(part)
    return b''.join(parts)


def judge(got, body):
    wanted = answer_to(body)
    return 'ok' if got == wanted else f'answer {got[:60]!r} instead of {wanted!r}'


def upload(host, port, body):
    with dial(host, port) as connection:
        connection.sendall(b'take %d\n' % len(body) + body)
        return judge(rest_of(connection, connection.recv(1)), body)


def put(host, port, body):
    connection = http.client.HTTPConnection(host, port + 1)
    try:
        connection.request('PUT', '/', body=body)
        return judge(connection.getresponse().read(), body)
    finally:
        connection.close()


def half(host, port, body):
    with dial(host, port) as connection:
        connection.sendall(b'all 0\n' + body)
        connection.shutdown(socket.SHUT_WR)
        return judge(rest_of(connection), body)


def pieces(host, port, body):
    with dial(host, port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b'all 0\n')
        for at in range(0, len(body), 100):
            connection.sendall(body[at:at + 100])
        connection.shutdown(socket.SHUT_WR)
        return judge(rest_of(connection), body)


def unread(host, port, body, seconds=0, verb=b'greet', greeting=b'hello'):
    with dial(host, port) as connection:
        connection.sendall(b'%s %d\n' % (verb, seconds))
        time.sleep(0.03)  # so that the greeting waits
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        got = rest_of(connection)
        return judge(got[len(greeting):], body) if got.startswith(greeting) else f'greeting {got[:5]!r}'


def patient(host, port, body):
    return unread(host, port, body, 3)


def flooded(host, port, body):
    return unread(host, port, body, verb=b'flood', greeting=b'hello' + BLOCK * 8)


def first(host, port, body, verb='first'):
    name = os.urandom(8).hex().encode()
    middle = len(body) // 2
    with dial(host, port) as connection:
        connection.sendall(b'%s %s\n' % (verb.encode(), name))
        if verb == 'late':
            time.sleep(0.01)  # so that what follows is not of the first bytes
            connection.sendall(body[:middle])
        greeting = rest_of(connection)
        if greeting != b'hello':
            return f'greeting {greeting!r}'
        if verb == 'first':
            connection.sendall(body[:middle])
        time.sleep(0.03)  # so that the server waits for more already
        connection.sendall(body[middle:])
    with dial(host, port) as connection:
        connection.sendall(b'told %s\n' % name)
        return judge(rest_of(connection), body)


def late(host, port, body):
    return first(host, port, body, 'late')


def handed(host, port, body):
    ours, theirs = socket.socketpair()
    middle = len(body) // 2
    child = os.fork()  # before there is a connection: it gets the socket by SCM_RIGHTS alone
    if child == 0:
        outcome = 'nothing came'
        try:
            ours.close()
            _, (fd,), _, _ = socket.recv_fds(theirs, 1, 1)
            with socket.socket(fileno=fd) as connection:
                connection.sendall(body[middle:])
                connection.shutdown(socket.SHUT_WR)
                outcome = judge(rest_of(connection), body)
        except OSError as error:
            outcome = name_of(error)
        finally:
            theirs.sendall(outcome.encode())
            os._exit(0)
    theirs.close()
    with ours:
        with dial(host, port) as connection:
            connection.sendall(b'all 0\n' + body[:middle])
            socket.send_fds(ours, [b'x'], [connection.fileno()])
        outcome = rest_of(ours).decode()
    os.waitpid(child, 0)
    return outcome


def name_of(error):
    return f'{type(error).__name__}: {error}'


def main():
    if sys.argv[1] == 'serve':
        serve(int(sys.argv[2]))
    cases = [upload, put, half, pieces, unread, patient, flooded, first, late, handed]
    case = {each.__name__: each for each in cases}[sys.argv[1]]
    host, (port, count, least, most) = sys.argv[2], map(int, sys.argv[3:7])
    whole = body_of(most)
    seed = int(sys.argv[7])
    lengths = random.Random(seed)
    for _ in range(count):
        try:
            outcome = case(host, port, whole[:lengths.randint(least, most)])
        except (OSError, http.client.HTTPException, EOFError) as error:
            outcome = name_of(error)
        print(outcome if outcome == 'ok' else f'{outcome} (MERBRIDGE_SEED={seed})', flush=True)


main()
