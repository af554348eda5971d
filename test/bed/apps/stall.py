"""Streams to a reader that stops reading for a while. Both sides work in buffers made beforehand, so that what the machine's memory does
meanwhile is what the kernel keeps.

    stall.py server PORT FIRST SLEEP               of each stream reads FIRST bytes, then nothing for SLEEP seconds, then all; answers with what arrived
    stall.py client HOST PORT BYTES CONNECTIONS    connects, waits for a line on standard input, sends BYTES on each connection, with a pause
                                                   after the first 4096, half-closes, and
                                                   prints a line for each when it has ended: the answer, or the error
"""
import errno
import json
import socket
import sys
import threading
import time

GREETING = 4096
PAUSE = 0.3  # seconds in which the sidecars read it: only then is a connection accelerated, however busy the machine is
PERIOD = 65521  # prime: no lost, doubled or moved block of any buffer's size goes unseen
CHUNK = 1 << 18
TIMEOUT = 120  # also makes recv poll: a blocking one may fail with EAGAIN where the socket is accelerated
block = bytes((i * 1103515245 + 12345) >> 16 & 0xff for i in range(PERIOD))
pattern = memoryview(block * (CHUNK // PERIOD + 2))


def expected(offset, length):
    start = offset % PERIOD
    return pattern[start:start + length]


def server(port, first, sleep):
    with socket.create_server(('0.0.0.0', port), backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=receive, args=(connection, first, sleep), daemon=True).start()


def receive(connection, first, sleep):
    connection.settimeout(TIMEOUT)
    buffer = memoryview(bytearray(CHUNK))
    total, wrong_at, slept = 0, -1, False
    with connection:
        while True:
            if total >= first and not slept:
                time.sleep(sleep)
                slept = True
            length = connection.recv_into(buffer)
            if not length:
                break
            if wrong_at < 0 and buffer[:length] != expected(total, length):
                wrong_at = total
            total += length
        connection.sendall(json.dumps({'bytes': total, 'wrongAt': wrong_at}).encode() + b'\n')


def send(connection, size):
    connection.settimeout(TIMEOUT)
    sent = 0
    try:
        while sent < size:
            length = min(CHUNK, size - sent) if sent >= GREETING else min(GREETING - sent, size)
            sent += connection.send(expected(sent, length))
            if sent == GREETING:
                time.sleep(PAUSE)
        connection.shutdown(socket.SHUT_WR)
        answer = b''
        while part := connection.recv(4096):
            answer += part
        result = answer.decode().strip() or json.dumps({'error': 'end of stream', 'sent': sent})
    except OSError as error:
        result = json.dumps({'error': errno.errorcode.get(error.errno, str(error)), 'sent': sent})
    sys.stdout.write(f'{result}\n')  # in one piece: others write, too
    sys.stdout.flush()
    connection.close()


def client(host, port, size, count):
    connections = [socket.create_connection((host, port)) for _ in range(count)]
    senders = [threading.Thread(target=send, args=(connection, size)) for connection in connections]
    print('connected', flush=True)
    sys.stdin.readline()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


if sys.argv[1] == 'server':
    server(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
else:
    client(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
