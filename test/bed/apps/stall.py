"""One stream to a reader that sleeps first. Both sides work in buffers made beforehand, so that what the machine's memory does meanwhile
is what the kernel keeps.

    stall.py server PORT SLEEP              reads nothing for SLEEP seconds, then all, answers with what arrived
    stall.py client HOST PORT BYTES         connects, waits for a line on standard input, sends BYTES, half-closes, prints the answer
"""
import json
import socket
import sys
import time

PERIOD = 65521  # prime: no lost, doubled or moved block of any buffer's size goes unseen
CHUNK = 1 << 18
block = bytes((i * 1103515245 + 12345) >> 16 & 0xff for i in range(PERIOD))
pattern = memoryview(block * (CHUNK // PERIOD + 2))


def expected(offset, length):
    start = offset % PERIOD
    return pattern[start:start + length]


def server(port, sleep):
    with socket.create_server(('0.0.0.0', port)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                receive(connection, sleep)


def receive(connection, sleep):
    buffer = memoryview(bytearray(CHUNK))
    time.sleep(sleep)
    total, wrong_at = 0, -1
    while length := connection.recv_into(buffer):
        if wrong_at < 0 and buffer[:length] != expected(total, length):
            wrong_at = total
        total += length
    connection.sendall(json.dumps({'bytes': total, 'wrongAt': wrong_at}).encode() + b'\n')


def client(host, port, size):
    with socket.create_connection((host, port)) as connection:
        connection.settimeout(120)
        print('connected', flush=True)
        sys.stdin.readline()
        sent = 0
        while sent < size:
            chunk = expected(sent, min(CHUNK, size - sent))
            connection.sendall(chunk)
            sent += len(chunk)
        connection.shutdown(socket.SHUT_WR)
        answer = b''
        while part := connection.recv(4096):
            answer += part
        print(answer.decode().strip() or '{}', flush=True)


if sys.argv[1] == 'server':
    server(int(sys.argv[2]), float(sys.argv[3]))
else:
    client(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
