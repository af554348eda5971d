// app.mjs [ADDRESS HOST PATH]: the application of every pod. HTTP on 8080 (in Services), 8081 and 8082 (in none): says who
// asked, as it sees them. TCP on 9000: echoes; on 9001: speaks first. With arguments it sends a request as it starts, and
// tells at /as-it-started how that went.
import { createServer, get } from 'node:http';
import { createServer as createTcpServer } from 'node:net';

const [address, host, path] = process.argv.slice(2);
const started = address ? first() : Promise.resolve({ status: 404, body: '' });

function first() {
  return new Promise(resolve => {
    get({ host: address, path, headers: { host }, timeout: 5000 }, response => {
      let body = '';
      response.on('data', part => (body += part)).on('end', () => resolve({ status: response.statusCode, body }));
    }).on('error', error => resolve({ status: 500, body: error.code }));
  });
}

for (const port of [8080, 8081, 8082])
  createServer(async (request, response) => {
    if (request.url === '/as-it-started') {
      const { status, body } = await started;
      return response.writeHead(status).end(body);
    }
    const { remoteAddress, localAddress, localPort } = request.socket;
    const { host, 'x-forwarded-client-cert': certificate } = request.headers;
    const seen = { url: request.url, client: remoteAddress, local: `${localAddress}:${localPort}`, host, certificate };
    response.end(JSON.stringify(seen));
  }).listen(port, '0.0.0.0');

const tcp = (port, greet) =>
  createTcpServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {});
    greet(socket);
  }).listen(port, '0.0.0.0');
tcp(9000, socket => socket.pipe(socket));
tcp(9001, socket => socket.end(`hello ${socket.remoteAddress}\n`));
