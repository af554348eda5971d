"""Dials each destination given and prints a line of JSON for it: who answered, and what the dialling socket says of itself.

    dial.py [DESTINATION...]    DESTINATION = [SOURCE=]HOST:PORT; a HOST with colons in it, such as [::ffff:10.0.0.1], takes an IPv6 socket

Without any it reads destinations from standard input, one a line, until that ends.
"""
import json
import socket
import sys


def plain(endpoint):
    return f"{endpoint[0].removeprefix('::ffff:')}:{endpoint[1]}"


for argument in sys.argv[1:] or map(str.strip, sys.stdin):
    source, _, destination = argument.rpartition('=')
    host, _, port = destination.rpartition(':')
    host = host.strip('[]')
    result = {}
    with socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET) as dialling:
        dialling.settimeout(30)
        try:
            if source:
                dialling.bind((source, 0))
            dialling.connect((host, int(port)))
            result['peer'] = plain(dialling.getpeername())
            result['local'] = plain(dialling.getsockname())
            answer = b''
            while not answer.endswith(b'\n'):
                part = dialling.recv(4096)
                if not part:
                    break
                answer += part
            result['answer'] = json.loads(answer) if answer else None
        except OSError as error:
            result['error'] = error.strerror or type(error).__name__
    print(json.dumps(result), flush=True)
