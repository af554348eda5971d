"""Dials, and lets go at once: again and again, from a source address of its own or of others.

    forge.py [--passes N] WAY SOURCES TARGETS PORTS...    WAY = repair | repaired | transparent | plain; SOURCES = ADDRESS[,ADDRESS...], the first to dial from;
                                                          TARGETS = HOST:PORT[,HOST:PORT...]

Each pass dials each target once from each source port. Prints {"ready": true} before the first dial. Ends after N passes, or with standard input, and
prints {"passes": whole ones, "dials": n, "errors": {...}}.
"""
import collections
import errno
import json
import select
import sys

from forged import drop, endpoint, plain, port_list, release_addresses, repaired, take_addresses, transparent

EVERY = 256  # dials between two looks at standard input
MOST_DIALS = 5_000_000

arguments = sys.argv[1:]
passes = int(arguments[1]) if arguments[0] == '--passes' else 1 << 30
way, sources, targets, *words = arguments[2:] if arguments[0] == '--passes' else arguments
dial = {'repair': repaired, 'repaired': repaired, 'transparent': transparent, 'plain': plain}[way]
let_go = drop if way == 'repaired' else lambda connection: connection.close()
addresses = sources.split(',')
endpoints = [endpoint(target) for target in targets.split(',')]
ports = port_list(words)
result = {'passes': 0, 'dials': 0, 'errors': collections.Counter()}


def ended():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def one_pass():
    for at, port in enumerate(ports):
        if at % EVERY == 0 and (ended() or result['dials'] > MOST_DIALS):
            return False
        for target in endpoints:
            try:
                let_go(dial((addresses[0], port), target))
                result['dials'] += 1
            except OSError as error:
                result['errors'][errno.errorcode.get(error.errno, str(error))] += 1
    result['passes'] += 1
    return True


if way == 'repair':
    take_addresses(addresses, endpoints[0][0])
print(json.dumps({'ready': True}), flush=True)
while result['passes'] < passes and one_pass():
    pass
if way == 'repair':
    release_addresses()
print(json.dumps(result), flush=True)
