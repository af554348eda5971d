// The application of every pod. HTTP on 8080 (in Services) and 8081 (in none): says who asked, as it sees them.
// TCP on 9000: echoes a line; on 9001: speaks first.
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';

for (const port of [8080, 8081])
  createServer((request, response) => {
    const { remoteAddress, localAddress, localPort } = request.socket;
    const { host, 'x-forwarded-client-cert': certificate } = request.headers;
    response.end(
      JSON.stringify({
        url: request.url,
        client: remoteAddress,
        local: `${localAddress}:${localPort}`,
        host,
        certificate,
      }),
    );
  }).listen(port, '0.0.0.0');

const tcp = (port, greet) =>
  createTcpServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {});
    greet(socket);
  }).listen(port, '0.0.0.0');
tcp(9000, socket => socket.pipe(socket));
tcp(9001, socket => socket.end(`hello ${socket.remoteAddress}\n`));
