"""Requests that each carry a secret of their own, and a server that gives it back.

    secret-requests.py server PORT BYTES WORD              answers each line with "WORD LINE", and BYTES of filling before the end of the line
    secret-requests.py client HOST PORT CONNECTIONS        asks on so many connections until standard input ends; every other one ends after
                                                           20 requests, and another takes its place
    secret-requests.py burst HOST PORT CONNECTIONS         makes all of them at once; one request each

An answer is right with the WORD "answer" and the secret. A client prints "ready" when it asks, and at the end
{"answered": n, "wrong": n, "lost": {reason: count}}.
"""
import asyncio
import collections
import errno
import json
import secrets
import sys

REQUESTS = 20
PAUSE = 0.002
ANSWER_SECONDS = 12
BURST_SECONDS = 60
LIMIT = 1 << 28  # of a line

result = {'answered': 0, 'wrong': 0, 'lost': collections.Counter()}
stopping = asyncio.Event()


def reason(error):
    return errno.errorcode.get(getattr(error, 'errno', None), type(error).__name__)


async def serve(port, filling, word):
    async def answer(reader, writer):
        try:
            while line := await reader.readline():
                writer.write(word + b' ' + line[:-1] + filling + b'\n')
                await writer.drain()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(answer, '0.0.0.0', port, backlog=4096)
    await server.serve_forever()


async def ask(reader, writer):
    secret = f'secret-{secrets.token_hex(8)}'.encode()
    writer.write(secret + b'\n')
    answer = await reader.readline()
    if not answer.endswith(b'\n'):
        raise EOFError
    if answer.startswith(b'answer ' + secret):
        result['answered'] += 1
    else:
        result['wrong'] += 1


async def connection(host, port, requests, seconds, fresh):
    """One connection with so many requests. One that cannot be made, or an answer that does not come, is a lost request."""
    writer = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port, limit=LIMIT)
        fresh()
        while requests and not stopping.is_set():
            requests -= 1
            async with asyncio.timeout(seconds):
                await ask(reader, writer)
            if requests:
                await asyncio.sleep(PAUSE)
    except (OSError, EOFError, TimeoutError) as error:
        result['lost'][reason(error)] += 1
    if writer:
        writer.close()


async def keep_asking(host, port, number, fresh):
    while not stopping.is_set():
        await connection(host, port, REQUESTS if number % 2 else 1 << 30, ANSWER_SECONDS, fresh)


async def client(host, port, connections):
    made = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(keep_asking(host, port, number, made.release)) for number in range(connections)]
    for _ in tasks:
        await made.acquire()
    print('ready', flush=True)
    await asyncio.to_thread(sys.stdin.read)
    stopping.set()
    await asyncio.gather(*tasks)


async def burst(host, port, connections):
    print('ready', flush=True)
    await asyncio.gather(*(connection(host, port, 1, BURST_SECONDS, lambda: None) for _ in range(connections)))


if sys.argv[1] == 'server':
    asyncio.run(serve(int(sys.argv[2]), b' ' + b'x' * int(sys.argv[3]), sys.argv[4].encode()))
else:
    asyncio.run({'client': client, 'burst': burst}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    print(json.dumps(result), flush=True)
