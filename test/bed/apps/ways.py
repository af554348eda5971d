"""Unusual ways to connect. Prints a line of JSON: what the socket says of itself and what came back of what it sent.

    ways.py again REFUSED HOST:PORT     a refused connect to REFUSED first, then on the same socket to HOST:PORT
    ways.py nonblocking | fastopen | mptcp | udp HOST:PORT
    ways.py udp-echo PORT               serves the last one
"""
import errno
import json
import select
import socket
import sys

IPPROTO_MPTCP = 262
MSG_FASTOPEN = 0x20000000
HELLO = b'hello from an unusual socket\n'


def endpoint(text):
    host, _, port = text.rpartition(':')
    return host.strip('[]'), int(port)


def line(connection):
    answer = b''
    while not answer.endswith(b'\n'):
        if not select.select([connection], [], [], 5)[0]:
            break
        part = connection.recv(4096)
        if not part:
            break
        answer += part
    return answer.decode()


def run(way, destination, refused=None):
    kind = socket.SOCK_DGRAM if way == 'udp' else socket.SOCK_STREAM
    family = socket.AF_INET6 if ':' in destination[0] else socket.AF_INET
    result = {}
    try:
        connection = socket.socket(family, kind, IPPROTO_MPTCP if way == 'mptcp' else 0)
    except OSError as error:
        return {'unavailable': error.strerror}
    with connection:
        if way == 'again':
            result['first'] = errno.errorcode.get(connection.connect_ex(refused))
        if way == 'nonblocking':
            connection.setblocking(False)
            result['first'] = errno.errorcode.get(connection.connect_ex(destination))
            select.select([], [connection], [], 5)
            result['error'] = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            connection.setblocking(True)
            connection.sendall(HELLO)
        elif way == 'fastopen':
            try:
                connection.sendto(HELLO, MSG_FASTOPEN, destination)
            except OSError as error:
                return {'unavailable': error.strerror}
        else:
            connection.connect(destination)
            connection.sendall(HELLO)
        result['answer'] = line(connection).strip()
        host, port = connection.getpeername()[:2]
        result['peer'] = f'{host}:{port}'
        result['local'] = connection.getsockname()[0]
    return result


if sys.argv[1] == 'udp-echo':
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server, socket.create_server(('127.0.0.1', int(sys.argv[2]))):
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(('::', int(sys.argv[2])))
        while True:
            data, client = server.recvfrom(4096)
            server.sendto(data, client)
elif sys.argv[1] == 'again':
    print(json.dumps(run('again', endpoint(sys.argv[3]), endpoint(sys.argv[2]))))
else:
    print(json.dumps(run(sys.argv[1], endpoint(sys.argv[2]))))
