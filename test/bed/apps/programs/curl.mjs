// curl, once for each request; speaks as node_client.mjs. It ends with this process.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { stdin } from 'node:process';
import { createInterface } from 'node:readline';
import { once } from 'node:events';

async function transfer(method, url, file) {
  const args = ['-sS', '--fail', ...(method === 'PUT' ? ['-T', file] : []), url];
  const curl = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'curl', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(curl, 'close');
  const digest = createHash('sha256');
  const answer = [];
  let size = 0;
  let said = '';
  curl.stdout.on('data', chunk => {
    if (method === 'PUT') return answer.push(chunk);
    digest.update(chunk);
    return (size += chunk.length);
  });
  curl.stderr.setEncoding('utf8').on('data', text => {
    said += text;
  });
  const [code, signal] = await closed;
  if (code !== 0) throw new Error(`curl ended with ${code ?? signal} after ${size} bytes: ${said.trim()}`);
  return method === 'PUT' ? Buffer.concat(answer).toString().trim() : `${size} ${digest.digest('hex')}`;
}

for await (const line of createInterface({ input: stdin })) {
  try {
    console.log('ok', await transfer(...line.split(' ')));
  } catch (error) {
    console.log('error', String(error).replaceAll('\n', ' '));
  }
}
