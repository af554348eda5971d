"""Dials each destination in turn, again and again until it is told to end, and counts which ports answered.

    redial.py DESTINATION...      DESTINATION = HOST:PORT

Ends when standard input does, and prints {destination: {port or error: count}}.
"""
import collections
import json
import select
import socket
import sys

seen = {destination: collections.Counter() for destination in sys.argv[1:]}


def dial(destination):
    host, _, port = destination.rpartition(':')
    with socket.socket() as dialling:
        dialling.settimeout(30)
        try:
            dialling.connect((host, int(port)))
            answer = b''
            while not answer.endswith(b'\n'):
                part = dialling.recv(4096)
                if not part:
                    return 'cut'
                answer += part
            return json.loads(answer)['port']
        except OSError as error:
            return error.strerror or type(error).__name__


print('ready', flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for destination, outcomes in seen.items():
        outcomes[dial(destination)] += 1
print(json.dumps(seen))
