// A server of node:http: `node_server.mjs PORT FOLDER`. GET answers a file of the folder, PUT with the length and
// SHA-256 of what came.
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { argv } from 'node:process';
import { pipeline } from 'node:stream';

const [port, folder] = argv.slice(2);

function upload(request, response) {
  const digest = createHash('sha256');
  let size = 0;
  request.on('data', chunk => {
    digest.update(chunk);
    size += chunk.length;
  });
  request.on('end', () => response.end(`${size} ${digest.digest('hex')}`));
}

createServer((request, response) => {
  if (request.method === 'PUT') return upload(request, response);
  const file = join(folder, basename(request.url));
  response.setHeader('Content-Length', statSync(file).size);
  pipeline(createReadStream(file), response, () => undefined); // the client tells what went wrong
}).listen(Number(port), '0.0.0.0');
