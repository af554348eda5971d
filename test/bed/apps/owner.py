"""Makes a socket as one user and dials with it as another; prints who answered, as dial.py does.

    owner.py MAKER CALLER HOST:PORT     MAKER and CALLER are USER:GROUP; starts as root
"""
import json
import os
import socket
import sys

maker, caller = ([int(part) for part in argument.split(':')] for argument in sys.argv[1:3])
host, port = sys.argv[3].rsplit(':', 1)
os.setegid(maker[1])
os.seteuid(maker[0])
dialling = socket.socket()
os.seteuid(0)
os.setresgid(caller[1], caller[1], caller[1])
os.setresuid(caller[0], caller[0], caller[0])
dialling.settimeout(30)
try:
    dialling.connect((host, int(port)))
    with dialling.makefile() as lines:
        answer = lines.readline()
    print(json.dumps({'answer': json.loads(answer) if answer else None}))
except OSError as error:
    print(json.dumps({'error': error.strerror or type(error).__name__}))
