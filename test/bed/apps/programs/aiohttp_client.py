"""A client of aiohttp: reads requests `GET|PUT URL FILE` from its standard input, one a line, and answers `ok LENGTH SHA-256` or `error WHY`."""
import asyncio
import hashlib
import sys

import aiohttp


async def transfer(session, method, url, file):
    if method == 'PUT':
        with open(file, 'rb') as body:
            async with session.put(url, data=body) as answer:
                answer.raise_for_status()
                return (await answer.text()).strip()
    digest, size = hashlib.sha256(), 0
    async with session.get(url) as answer:
        answer.raise_for_status()
        async for chunk in answer.content.iter_any():
            digest.update(chunk)
            size += len(chunk)
    return f'{size} {digest.hexdigest()}'


async def main():
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            try:
                print('ok', await transfer(session, *line.split()), flush=True)
            except Exception as error:
                print('error', repr(error).replace('\n', ' '), flush=True)


asyncio.run(main())
