"""A client of http.client, a connection for each request; speaks as aiohttp_client.py. The body goes in one blocking call, and the next one reads."""
import hashlib
import http.client
import sys
import urllib.parse


def transfer(method, url, file):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    try:
        body = None
        if method == 'PUT':
            with open(file, 'rb') as source:
                body = source.read()
        connection.request(method, parts.path, body)
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f'status {answer.status}')
        if method == 'PUT':
            return answer.read().decode().strip()
        digest, size = hashlib.sha256(), 0
        while chunk := answer.read(65536):
            digest.update(chunk)
            size += len(chunk)
        return f'{size} {digest.hexdigest()}'
    finally:
        connection.close()


for line in sys.stdin:
    try:
        print('ok', transfer(*line.split()), flush=True)
    except Exception as error:
        print('error', repr(error).replace('\n', ' '), flush=True)
