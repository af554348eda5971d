"""A TCP socket that is operated from outside, one system call at a time, so that a test sees what each call answers.

    hazards.py connect HOST PORT [mptcp]
    hazards.py listen PORT [mptcp]          accepts one connection
    hazards.py adopt FD                     a connection that was inherited

Every line of standard input is a JSON list: a number, the name of a method of Operations, its arguments. Each gets a line of JSON when it
is done: [number, {"value": ...}] or [number, {"error": "EAGAIN"}]. Each runs in a thread of its own: a call may block while others follow.
"""
import ctypes
import errno
import fcntl
import json
import os
import select
import socket
import struct
import sys
import termios
import threading
import time

IPPROTO_MPTCP = 262
SO_TIMESTAMP, SO_PEEK_OFF, SO_MEMINFO, SO_ZEROCOPY = 29, 42, 55, 60
TCP_ULP, TCP_INQ = 31, 36
MSG_ZEROCOPY = 0x4000000
SO_EE_ORIGIN_ZEROCOPY = 5
CHUNK = 1 << 16
libc = ctypes.CDLL(None, use_errno=True)

FLAGS = {'dontwait': socket.MSG_DONTWAIT, 'peek': socket.MSG_PEEK, 'waitall': socket.MSG_WAITALL, 'oob': socket.MSG_OOB,
         'zerocopy': MSG_ZEROCOPY, 'nosignal': socket.MSG_NOSIGNAL}


def bits(names):
    return sum(FLAGS[name] for name in names)


class Operations:
    def __init__(self, connection):
        self.connection = connection

    def send(self, text, *flags):
        return self.connection.send(text.encode(), bits(flags))

    def fill(self, limit):
        """Sends until LIMIT bytes are gone, or until the socket takes nothing for a second; how many it took."""
        sent, chunk = 0, bytes(CHUNK)
        poll = select.poll()
        poll.register(self.connection, select.POLLOUT)
        while sent < limit and poll.poll(1000):
            try:
                sent += self.connection.send(chunk, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        return sent

    def recv(self, length, *flags):
        return self.connection.recv(length, bits(flags)).decode()

    def truncate(self, length, buffer):
        """recv(2) with MSG_TRUNC: how much it took, and what is in a buffer of '-' then; without a BUFFER it is given NULL."""
        memory = ctypes.create_string_buffer(b'-' * length, length) if buffer else None
        taken = libc.recv(self.connection.fileno(), memory, length, socket.MSG_TRUNC)
        if taken < 0:
            raise OSError(ctypes.get_errno(), 'recv')
        return {'taken': taken, 'memory': memory.raw.decode() if memory else None}

    def low_water(self, length):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, length)

    def peek_offset(self, offset):
        self.connection.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, offset)

    def ask_left(self):
        """TCP_INQ: each recvmsg is told how much is left."""
        self.connection.setsockopt(socket.IPPROTO_TCP, TCP_INQ, 1)

    def ask_time(self):
        """SO_TIMESTAMP: each recvmsg is told when it came."""
        self.connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)

    def recv_told(self, length):
        """recvmsg(2): the text, how much is left and whether there is a time, as far as it was told."""
        text, control, _, _ = self.connection.recvmsg(length, 256)
        told = {(level, kind): data for level, kind, data in control}
        left = told.get((socket.IPPROTO_TCP, TCP_INQ))
        return {'text': text.decode(), 'left': struct.unpack('i', left)[0] if left else None, 'time': (socket.SOL_SOCKET, SO_TIMESTAMP) in told}

    def half_close_and_recv(self, length):
        """What a client does that says it is done and waits for the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        return self.recv(length)

    def half_close_under_recv(self, length):
        """The same in two threads: the FIN leaves when the reader sleeps, so its acknowledgement never comes before that."""
        answers = []

        def reader():
            try:
                answers.append({'value': self.recv(length)})
            except OSError as error:
                answers.append({'error': errno.errorcode[error.errno]})

        thread = threading.Thread(target=reader, daemon=True)
        thread.start()
        while open(f'/proc/self/task/{thread.native_id}/wchan').read() != 'wait_woken':
            time.sleep(0.001)
        self.connection.shutdown(socket.SHUT_WR)
        thread.join()
        return answers[0]

    def drain(self, length):
        """Reads until LENGTH bytes or the end; how many there were."""
        total = 0
        while total < length and (part := self.connection.recv(min(CHUNK, length - total))):
            total += len(part)
        return total

    def splice(self, length, *flags):
        """splice(2) into a pipe, as socat and Go's io.Copy do; what came."""
        out, into = os.pipe()
        os.set_blocking(self.connection.fileno(), 'dontwait' not in flags)  # for sockets, SPLICE_F_NONBLOCK alone is not enough
        try:
            moved = os.splice(self.connection.fileno(), into, length)
            return os.read(out, moved).decode() if moved else ''
        finally:
            os.set_blocking(self.connection.fileno(), True)
            os.close(out)
            os.close(into)

    def arrived(self, length):
        """Waits until LENGTH bytes can be read together, and leaves them there."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            self.readable(10_000)
            text = self.connection.recv(length, socket.MSG_PEEK).decode()
            if len(text) == length:
                return text
            time.sleep(0.005)
        raise TimeoutError(errno.ETIMEDOUT, f'only {text!r} arrived')

    def readable(self, milliseconds):
        """Waits until poll(2) says that there is something to read."""
        return self.polled(milliseconds, select.POLLIN)

    def urgent(self, milliseconds):
        """Waits until poll(2) says that there is out-of-band data."""
        return self.polled(milliseconds, select.POLLPRI)

    def polled(self, milliseconds, events):
        poll = select.poll()
        poll.register(self.connection, events)
        return any(found & events for _, found in poll.poll(milliseconds))

    def fionread(self):
        return struct.unpack('i', fcntl.ioctl(self.connection, termios.FIONREAD, bytes(4)))[0]

    def charged(self):
        """Bytes of kernel memory that wait to be read: sk_rmem_alloc."""
        return struct.unpack('I', self.connection.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36)[:4])[0]

    def buffers(self, size):
        """Both sizes fixed: then the kernel does not tune them."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def traffic(self):
        """TCP_INFO: tcpi_bytes_sent and tcpi_bytes_received of linux/tcp.h."""
        info = self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return {'sent': struct.unpack_from('Q', info, 200)[0], 'received': struct.unpack_from('Q', info, 128)[0]}

    def allow_zerocopy(self):
        self.connection.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)

    def completed(self, milliseconds):
        """Waits for the completion of a MSG_ZEROCOPY send; whether it came."""
        poll = select.poll()
        poll.register(self.connection, 0)  # POLLERR is always told
        if not poll.poll(milliseconds):
            return False
        control = self.connection.recvmsg(0, 256, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)[1]
        return any(data[4] == SO_EE_ORIGIN_ZEROCOPY for _, _, data in control)

    def upper_layer(self, name):
        self.connection.setsockopt(socket.IPPROTO_TCP, TCP_ULP, name.encode())

    def shutdown(self):
        self.connection.shutdown(socket.SHUT_WR)

    def close(self):
        self.connection.close()


def connected(role, *rest):
    if role == 'adopt':
        return socket.socket(fileno=int(rest[0]))
    protocol = IPPROTO_MPTCP if rest[-1] == 'mptcp' else 0
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    if role == 'connect':
        connection.connect((rest[0], int(rest[1])))
        return connection
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(('0.0.0.0', int(rest[0])))
        connection.listen(1)
        report('ready', {'value': None})
        return connection.accept()[0]


lock = threading.Lock()


def report(number, answer):
    with lock:
        print(json.dumps([number, answer]), flush=True)


def operate(operation, number, arguments):
    try:
        report(number, {'value': operation(*arguments)})
    except OSError as error:
        report(number, {'error': errno.errorcode.get(error.errno, str(error))})


try:
    operations = Operations(connected(*sys.argv[1:]))
except OSError as error:
    report('connected', {'error': errno.errorcode.get(error.errno, str(error))})
    sys.exit()
report('connected', {'value': None})
for line in sys.stdin:
    number, name, *arguments = json.loads(line)
    threading.Thread(target=operate, args=(getattr(operations, name), number, arguments), daemon=True).start()
os._exit(0)  # a call that still blocks does not matter any more
