"""A container of its own inside a pod: dials a neighbour in its network, and tells in one line of JSON what became of it.

    unshare -n python3 inner.py ADDRESS COUNT       ADDRESS is what it gives itself, whoever else has it

The neighbour is on port 8080 of 10.99.0.2, in the same network namespace.
"""
import json
import socket
import subprocess
import sys
import threading

address, count = sys.argv[1], int(sys.argv[2])
NEIGHBOUR = ('10.99.0.2', 8080)

for arguments in ('link set lo up', f'addr add {address}/32 dev lo', f'addr add {NEIGHBOUR[0]}/32 dev lo'):
    subprocess.run(['ip', *arguments.split()], check=True)
listener = socket.create_server(NEIGHBOUR, backlog=count)


def answer():
    for _ in range(count):
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b'hello')


threading.Thread(target=answer, daemon=True).start()
outcomes = {}
for _ in range(count):
    try:
        with socket.create_connection(NEIGHBOUR, timeout=2) as dialling:
            outcome = dialling.recv(10).decode()
    except OSError as error:
        outcome = error.strerror or type(error).__name__
    outcomes[outcome] = outcomes.get(outcome, 0) + 1
print(json.dumps(outcomes))
