"""Readers that take a short read for more than it says, and a sender that fills what waits for them.

    crossing.py edge PORT DELAY BYTES       edge-triggered: after a short read sleeps until the next event; answers when BYTES are there
    crossing.py hangup PORT DELAY           a short read together with EPOLLRDHUP is the end of the stream; answers, and prints what came
    crossing.py send HOST PORT BYTES KEEP   sends BYTES at once; KEEP: open (waits for the answer), half (half-closes first), close (no answer)

The first is what nginx and tokio do, the second HAProxy and libuv. A reader reads nothing for DELAY seconds after accept.
"""
import json
import select
import socket
import sys
import time

PERIOD = 65521  # prime: no lost, doubled or moved block of any buffer's size goes unseen
CHUNK = 1 << 16
block = bytes((i * 1103515245 + 12345) >> 16 & 0xff for i in range(PERIOD))
pattern = memoryview(block * (CHUNK // PERIOD + 2))
buffer = memoryview(bytearray(CHUNK))


def expected(offset, length):
    start = offset % PERIOD
    return pattern[start:start + length]


class Received:
    def __init__(self):
        self.bytes, self.wrong_at, self.reads, self.short = 0, -1, 0, 0

    def take(self, length):
        if self.wrong_at < 0 and buffer[:length] != expected(self.bytes, length):
            self.wrong_at = self.bytes
        self.bytes += length
        self.reads += 1
        self.short += length < CHUNK

    def report(self):
        return json.dumps({'bytes': self.bytes, 'wrongAt': self.wrong_at, 'reads': self.reads, 'short': self.short}) + '\n'


def drained(connection, received):
    """Reads until a short read. False at the end of the stream."""
    while True:
        try:
            length = connection.recv_into(buffer)
        except BlockingIOError:
            return True
        if not length:
            return False
        received.take(length)
        if length < CHUNK:
            return True


def edge(connection, size):
    received = Received()
    with select.epoll() as poll:
        poll.register(connection, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
        while received.bytes < size:
            if not poll.poll(20) or not drained(connection, received):
                break
    return received


def hangup(connection):
    received = Received()
    with select.epoll() as poll:
        poll.register(connection, select.EPOLLIN | select.EPOLLRDHUP)
        while events := poll.poll(20):
            if not drained(connection, received) or events[0][1] & select.EPOLLRDHUP:
                break
    return received


def serve(port, delay, read):
    with socket.create_server(('0.0.0.0', port)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                time.sleep(delay)
                connection.setblocking(False)
                received = read(connection)
                print(received.report(), end='', flush=True)
                connection.setblocking(True)
                try:
                    connection.sendall(received.report().encode())
                except OSError:
                    pass  # who closed at once wants no answer


def send(host, port, size, keep):
    with socket.create_connection((host, port)) as connection:
        connection.settimeout(30)
        started = time.monotonic()
        for sent in range(0, size, CHUNK):
            connection.sendall(expected(sent, min(CHUNK, size - sent)))
        if keep == 'close':
            return
        if keep == 'half':
            connection.shutdown(socket.SHUT_WR)
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.poll(30_000)  # and not a blocking recv: that answers EAGAIN once in an accelerated socket
        answer = json.loads(connection.recv(4096) or '{}')
        print(json.dumps({**answer, 'seconds': time.monotonic() - started}), flush=True)


role = sys.argv[1]
if role == 'edge':
    serve(int(sys.argv[2]), float(sys.argv[3]), lambda connection: edge(connection, int(sys.argv[4])))
elif role == 'hangup':
    serve(int(sys.argv[2]), float(sys.argv[3]), hangup)
else:
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
