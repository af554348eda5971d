// Connects once and prints the addresses as this program sees them. With --host ::ffff:10.0.0.1 on an IPv6 socket, the
// way a JVM and many dual-stack programs dial IPv4.
import net from 'node:net';
import { options, say } from './pattern.mjs';

const { host, port, send, timeout } = options({ host: '127.0.0.1', port: 9000, send: '', timeout: 5 });

const socket = net.connect({ host, port, allowHalfOpen: true });
let answer = '';
let peer = {};
const done = outcome => {
  say({ outcome, ...peer, answer });
  process.exit(outcome === 'ok' ? 0 : 1);
};
socket.setEncoding('utf8');
socket.on('connect', () => {
  peer = {
    remote: `${socket.remoteAddress}:${socket.remotePort}`, // getpeername()
    local: `${socket.localAddress}:${socket.localPort}`, // getsockname()
    family: socket.remoteFamily,
  };
  socket.end(send);
});
socket.on('data', text => {
  answer += text;
});
socket.on('end', () => done('ok'));
socket.on('error', error => done(error.code ?? error.message));
setTimeout(() => done('timeout'), timeout * 1000);
