// A client of node:http with its agent's pool: reads requests `GET|PUT URL FILE` from its standard input, one a line,
// and answers `ok LENGTH SHA-256` or `error WHY`.
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { request } from 'node:http';
import { stdin } from 'node:process';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { once } from 'node:events';

async function transfer(method, url, file) {
  const upload = method === 'PUT';
  const sent = request(url, { method, headers: upload ? { 'Content-Length': statSync(file).size } : {} });
  const answered = once(sent, 'response');
  if (upload) await pipeline(createReadStream(file), sent);
  else sent.end();
  const [answer] = await answered;
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
  if (upload) return (await answer.setEncoding('utf8').toArray()).join('').trim();
  const digest = createHash('sha256');
  let size = 0;
  for await (const chunk of answer) {
    digest.update(chunk);
    size += chunk.length;
  }
  return `${size} ${digest.digest('hex')}`;
}

for await (const line of createInterface({ input: stdin })) {
  try {
    console.log('ok', await transfer(...line.split(' ')));
  } catch (error) {
    console.log('error', String(error).replaceAll('\n', ' '));
  }
}
