"""A server of aiohttp: `aiohttp_server.py PORT FOLDER`. GET answers a file of the folder, PUT with the length and SHA-256 of what came."""
import hashlib
import sys

from aiohttp import web

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]


async def upload(request):
    digest, size = hashlib.sha256(), 0
    async for chunk in request.content.iter_any():
        digest.update(chunk)
        size += len(chunk)
    return web.Response(text=f'{size} {digest.hexdigest()}')


app = web.Application()
app.router.add_put('/upload', upload)
app.router.add_static('/', FOLDER)
web.run_app(app, host='0.0.0.0', port=PORT, print=None, access_log=None)
