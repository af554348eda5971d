"""Initial sequence numbers of others, foretold. The kernel takes a hash of addresses and ports, keyed by a secret that all network namespaces
share, and adds a clock of 64 ns: who makes the same connection in a namespace of its own learns the hash, and the rest is the time of the dial.

    predict.py learn CLIENT SERVER PORT SOURCE_PORT      makes that connection; prints {"hash": n}
    predict.py write CLIENT MESH_POD SERVER PORT SOURCE_PORT HASH TIME COUNT
                                                         dials SERVER:PORT from CLIENT:SOURCE_PORT with COUNT sequence numbers, those of TIME on;
                                                         MESH_POD is enrolled, and makes this namespace one of the mesh; prints {"dials": n}
    predict.py dial SERVER PORT SOURCE_PORT TIME         the honest one: dials at TIME, sends a line; prints {"answer": text, "sequence": n}

TIME in nanoseconds of CLOCK_REALTIME.
"""
import json
import socket
import struct
import subprocess
import sys
import time

from forged import REPAIR_OFF_NO_PROBE, REPAIR_ON, TCP_REPAIR, drop, take_addresses

TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 20, 21
SEND_QUEUE = 2
TICK_BITS = 6  # of 64 ns
BITS = 0xffffffff
SAMPLES = 5


def initial_sequence(connection):
    """Of a connection that has sent nothing yet."""
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
    number, = struct.unpack('I', connection.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, 4))
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_NO_PROBE)
    return number - 1 & BITS


def learn(client, server, port, source_port):
    for command in (f'addr add {client}/32 dev lo', f'addr add {server}/32 dev lo', 'link set lo up'):
        subprocess.run(['ip', *command.split()], check=True)
    samples = []
    with socket.create_server((server, int(port))) as listener:
        for _ in range(SAMPLES):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind((client, int(source_port)))
            before = time.time_ns()
            connection.connect((server, int(port)))
            after = time.time_ns()
            samples.append((after - before, initial_sequence(connection) - ((before + after) // 2 >> TICK_BITS) & BITS))
            drop(connection)
            drop(listener.accept()[0])
    return {'hash': min(samples)[1]}  # that of the dial which took least time is the most exact


def write(client, mesh_pod, server, port, source_port, secret, at, count):
    take_addresses([client, mesh_pod], server)
    for guess in range(int(count)):
        connection = socket.socket()
        connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
        connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
        connection.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack('I', int(secret) + (int(at) >> TICK_BITS) + guess & BITS))
        connection.bind((client, int(source_port)))
        connection.connect((server, int(port)))
        drop(connection)
    return {'dials': int(count)}


def dial(server, port, source_port, at):
    with socket.socket() as connection:
        connection.settimeout(30)
        connection.bind(('', int(source_port)))
        while time.time_ns() < int(at):
            pass
        connection.connect((server, int(port)))
        sequence = initial_sequence(connection)
        connection.sendall(b'secret-\n')
        return {'answer': connection.recv(100).decode().strip(), 'sequence': sequence}


print(json.dumps({'learn': learn, 'write': write, 'dial': dial}[sys.argv[1]](*sys.argv[2:])), flush=True)
