// A stream server. Each connection sends bytes, half-closes, and gets one line of JSON with what arrived:
//   {"bytes":N,"sha256":"…","wrongAt":-1}       wrongAt: first byte that is not the pattern, -1 if none
// --mode sum    (default) read to the end, then answer
// --mode echo   send every byte back, and close after the client's half-close
// --mode sleep  like sum, but read nothing for --seconds after accept: a reader that stops
// --mode push   send --bytes of the pattern, then half-close: for servers that talk first
// --listen ::   (default 0.0.0.0) for both families
import net from 'node:net';
import { MAX_CHUNK, Receiver, options, pattern, say } from './pattern.mjs';

const { port, listen, mode, seconds, bytes } = options({
  port: 9000,
  listen: '0.0.0.0',
  mode: 'sum',
  seconds: 3,
  bytes: 0,
});

const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, socket => {
  const peer = {
    remote: `${socket.remoteAddress}:${socket.remotePort}`,
    local: `${socket.localAddress}:${socket.localPort}`,
  };
  socket.on('error', error => say({ event: 'error', ...peer, code: error.code }));
  if (mode === 'echo') {
    let count = 0;
    socket.on('data', chunk => {
      count += chunk.length;
    });
    socket.on('end', () => say({ event: 'end', ...peer, bytes: count }));
    socket.pipe(socket);
    return;
  }
  if (mode === 'push') {
    let sent = 0;
    const more = () => {
      while (sent < bytes) {
        const chunk = pattern(sent, Math.min(MAX_CHUNK, bytes - sent));
        sent += chunk.length;
        if (!socket.write(chunk)) return socket.once('drain', more);
      }
      socket.end();
    };
    socket.resume();
    return more();
  }
  const receiver = new Receiver();
  socket.on('data', chunk => receiver.take(chunk));
  socket.on('end', () => {
    const result = receiver.result();
    say({ event: 'end', ...peer, ...result });
    socket.end(`${JSON.stringify(result)}\n`);
  });
  if (mode === 'sleep') {
    socket.pause();
    setTimeout(() => socket.resume(), seconds * 1000);
  } else {
    socket.resume();
  }
});
server.listen({ port, host: listen, backlog: 4096 });
