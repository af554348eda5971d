"""Sockets whose source address belongs to another pod: what a hostile pod can make with common privileges. Imported by steal.py and forge.py."""
import errno
import socket
import struct
import subprocess

TCP_REPAIR = 19
REPAIR_ON, REPAIR_OFF_NO_PROBE = 1, -1
IP_TRANSPARENT = 19
SO_MEMINFO = 55
ESTABLISHED = 1


def endpoint(text):
    host, _, port = text.rpartition(':')
    return host, int(port)


def port_list(words):
    """Ports of words such as 40001 and 32768-60999."""
    ports = []
    for word in words:
        first, _, last = word.partition('-')
        ports.extend(range(int(first), int(last or first) + 1))
    return ports


def take_addresses(addresses, remote=None):
    """Puts addresses of others on a device, in a network namespace whose CAP_NET_ADMIN this process has. What goes to `remote` leaves through that
    device, whose other end is in the same namespace, and gets nowhere."""
    commands = ['link add forged type veth peer name forged-end', *(f'addr add {address}/32 dev forged' for address in addresses),
                *(f'link set {device} up' for device in ('lo', 'forged', 'forged-end'))]
    if remote:
        commands.append(f'route add {remote}/32 dev forged')
    for command in commands:
        subprocess.run(['ip', *command.split()], check=True, capture_output=True)


def release_addresses():
    subprocess.run(['ip', 'link', 'delete', 'forged'], check=True, capture_output=True)


def repaired(source, target):
    """A socket that is established without a packet: TCP_REPAIR, meant for checkpoint and restore."""
    connection = socket.socket()
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
        connection.bind(source)
        connection.connect(target)
        connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_NO_PROBE)
    except OSError:
        connection.close()
        raise
    return connection


def drop(connection):
    """Closes a repaired socket without a packet, and without a socket that waits for an answer."""
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
    connection.close()


def plain(source, target, *more_options):
    """A socket of the pod's own: needs no privilege."""
    connection = socket.socket()
    try:
        connection.setblocking(False)
        for option in ((socket.SOL_SOCKET, socket.SO_REUSEADDR, 1), *more_options):
            connection.setsockopt(*option)
        connection.bind(source)
        pending(connection, target)
    except OSError:
        connection.close()
        raise
    return connection


def transparent(source, target):
    """A socket with a foreign source address, for which CAP_NET_RAW is enough. Its SYN leaves, the answer goes to the owner of the address."""
    return plain(source, target, (socket.IPPROTO_IP, IP_TRANSPARENT, 1))


def pending(connection, target):
    error = connection.connect_ex(target)
    if error != errno.EINPROGRESS:
        raise OSError(error, errno.errorcode.get(error, 'connected'))


def is_established(connection):
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


def received_memory(connection):
    """Bytes that the kernel charges for what this socket has received and nobody has read: SK_MEMINFO_RMEM_ALLOC."""
    return struct.unpack('I', connection.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4))[0]
