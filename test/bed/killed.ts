import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { spawn } from './children';

const ROOT = join(__dirname, '..', '..');

/**
 * What changes the kernel's state: a process that is killed between two of them leaves what it would leave at any
 * instruction in between.
 */
const STEPS = `
  const fs = require('fs');
  const { libbpf } = require('${ROOT}/dist/native');
  const calls = ['bpf_object__load', 'bpf_map_update_elem', 'bpf_map_update_batch', 'bpf_obj_pin', 'bpf_link_create', 'bpf_link_update', 'bpf_link_detach', 'bpf_prog_attach'];
  for (const name of calls) {
    const call = libbpf[name];
    Object.defineProperty(libbpf, name, { value: (...args) => { step(name); return call(...args); } });
  }
  for (const name of ['mkdirSync', 'unlinkSync', 'rmdirSync', 'chmodSync']) {
    const call = fs[name];
    fs[name] = (...args) => { step(name); return call(...args); };
  }
  let steps = 0;
  function step(name) {
    if (++steps === AT) process.kill(process.pid, 'SIGKILL');
  }`;

/**
 * Runs code on the library, `m`, in a process of its own that is killed before one of the steps that change something.
 *
 * @param at - which step, from 1 on; one that does not come lets the code run to its end
 * @returns how many steps there were, `undefined` if it was killed
 */
export async function killedAt(at: number, code: string): Promise<number | undefined> {
  const script = `${STEPS.replace('AT', `${at}`)}
    const m = require('${ROOT}');
    (async () => { ${code} })().then(() => { console.log(steps); process.exit(); }, error => { console.error(error); process.exit(1); });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  let last = '';
  lines.on('line', line => {
    last = line;
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (signal === 'SIGKILL') return undefined;
  if (status !== 0) throw new Error(`the code failed at ${at} (${status ?? signal})`);
  return Number(last);
}
