"""Listens on every port given and tells each client, in one line of JSON, who answered and what it saw of the connection.

    listen.py [--host 0.0.0.0] [--name NAME] PORT...      NAME tells listeners of several namespaces apart

Plays a sidecar where the question is only which socket a connection reaches: no proxy decides anything here.
"""
import argparse
import json
import selectors
import socket
import struct

SOL_IP, SO_ORIGINAL_DST = 0, 80

options = argparse.ArgumentParser()
options.add_argument('--host', default='0.0.0.0')
options.add_argument('--name', default='')
options.add_argument('ports', type=int, nargs='+')
arguments = options.parse_args()


def original_destination(connection):
    try:
        raw = connection.getsockopt(SOL_IP, SO_ORIGINAL_DST, 16)
    except OSError as error:
        return error.strerror
    port, address = struct.unpack_from('!2xH4s', raw)
    return f'{socket.inet_ntoa(address)}:{port}' if len(raw) == 16 else f'{len(raw)} bytes'


def plain(endpoint):
    return f"{endpoint[0].removeprefix('::ffff:')}:{endpoint[1]}"


selector = selectors.DefaultSelector()
for port in arguments.ports:
    listener = socket.socket(socket.AF_INET6 if ':' in arguments.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((arguments.host, port))
    listener.listen(128)
    selector.register(listener, selectors.EVENT_READ, port)
while True:
    for key, _ in selector.select():
        connection, peer = key.fileobj.accept()
        with connection:
            said = {'name': arguments.name, 'port': key.data, 'client': plain(peer), 'local': plain(connection.getsockname()),
                    'original': original_destination(connection)}
            connection.sendall(json.dumps(said).encode() + b'\n')
