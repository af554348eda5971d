"""Asks for socket options with buffers of many sizes and prints what the kernel says: {name: [result, length, value]}. Needs root."""
import ctypes
import json
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
os.setgroups(range(5000, 7500))  # 10,000 bytes of group ids: more than a page
pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
listener = socket.create_server(('127.0.0.1', 0))
dialled = socket.create_connection(listener.getsockname())
accepted, _ = listener.accept()
six = socket.socket(socket.AF_INET6)

SO_PEERGROUPS, TCP_INFO, TCP_CONGESTION, ORIGINAL_DST = 59, 11, 13, 80
options = {
    'peergroups': (pair[0], socket.SOL_SOCKET, SO_PEERGROUPS, True),
    'type': (dialled, socket.SOL_SOCKET, socket.SO_TYPE, True),
    'rcvbuf': (six, socket.SOL_SOCKET, socket.SO_RCVBUF, True),
    'tcp_info': (accepted, socket.IPPROTO_TCP, TCP_INFO, False),  # its numbers move
    'congestion': (dialled, socket.IPPROTO_TCP, TCP_CONGESTION, True),
    'mss': (accepted, socket.IPPROTO_TCP, socket.TCP_MAXSEG, True),
    'ip_options': (dialled, socket.IPPROTO_IP, socket.IP_OPTIONS, True),
    'original_dst': (accepted, socket.IPPROTO_IP, ORIGINAL_DST, True),
    'original_dst6': (six, socket.IPPROTO_IPV6, ORIGINAL_DST, True),
    'same number, another level': (dialled, socket.IPPROTO_TCP, ORIGINAL_DST, True),
    'unknown': (dialled, socket.IPPROTO_IP, 9999, True),
}
results = {}
for name, (sock, level, option, stable) in options.items():
    for size in (0, 1, 4, 16, 28, 104, 4096, 4097, 8192, 10000, 65536):
        buffer = ctypes.create_string_buffer(b'\xee' * size, size)
        length = ctypes.c_uint32(size)
        code = libc.getsockopt(sock.fileno(), level, option, buffer, ctypes.byref(length))
        error = ctypes.get_errno() if code else 0
        value = buffer.raw[:length.value].hex() if stable else buffer.raw[:1].hex()
        results[f'{name}/{size}'] = [os.strerror(error) if error else code, length.value, value]
print(json.dumps(results))
