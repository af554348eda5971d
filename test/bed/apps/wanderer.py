"""A process id that the programs have learned for one pod, met again in another network namespace.

    wanderer.py PORT NETNS COMMAND...   accepts one connection on PORT as a sidecar does, enters NETNS, becomes COMMAND under the same process id
"""
import ctypes
import os
import socket
import sys

with socket.create_server(('0.0.0.0', int(sys.argv[1]))) as listener:
    connection, _ = listener.accept()
    with connection:
        connection.getsockopt(socket.IPPROTO_IP, 80, 16)
        connection.sendall(b'{}\n')
with open(sys.argv[2], 'rb') as netns:
    if ctypes.CDLL(None, use_errno=True).setns(netns.fileno(), 0):
        raise OSError(ctypes.get_errno(), 'setns')
os.execvp(sys.argv[3], sys.argv[3:])
