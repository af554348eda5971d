"""One loopback quadruple, the same in every pod that runs this: 127.0.0.6:SOURCE -> HOST:PORT.

    loopback.py server PORT NAME                    answers every line with NAME and the line
    loopback.py client HOST PORT SOURCE NAME        sends lines for a second, prints how many came back, and the first one that was not its own
"""
import json
import select
import socket
import sys
import time

if sys.argv[1] == 'server':
    with socket.create_server(('0.0.0.0', int(sys.argv[2]))) as listener:
        connection, _ = listener.accept()
        for line in connection.makefile('rb'):
            connection.sendall(sys.argv[3].encode() + b' ' + line)
else:
    host, port, source, name = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    own, foreign, count = [], None, 0
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(('127.0.0.6', source))
        connection.connect((host, port))
        time.sleep(0.5)  # until the other pod's connection stands, too
        end = time.monotonic() + 1
        while time.monotonic() < end and foreign is None:
            line = f'{name} {count}\n'
            connection.sendall(line.encode())
            answer = b''
            while not answer.endswith(b'\n') and select.select([connection], [], [], 5)[0]:
                answer += connection.recv(4096) or b'(end)\n'
            if answer.decode() != f'{name} {line}':
                foreign = answer.decode()
            count += 1
        quadruple = [connection.getsockname(), connection.getpeername()]
    print(json.dumps({'count': count, 'foreign': foreign, 'quadruple': quadruple}))
