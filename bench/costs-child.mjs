/** One fresh process: what a controller pays at its start. Prints one line of JSON. */
import { MeshAccelerator } from 'merbridge';

const cgroup = process.argv[2] ?? '';
const PODS = 10_000;
const IDLE_MS = 5000;

function milliseconds(since) {
  return Number(process.hrtime.bigint() - since) / 1e6;
}

async function main() {
  const pods = Array.from({ length: PODS }, (_, i) => `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`);
  let at = process.hrtime.bigint();
  const mesh = await MeshAccelerator.start({ cgroup });
  const start = milliseconds(at);
  at = process.hrtime.bigint();
  mesh.localPodIps.setMany(pods);
  const setMany = milliseconds(at);
  at = process.hrtime.bigint();
  const read = [...mesh.localPodIps].length;
  const entries = milliseconds(at);
  if (read !== PODS) throw new Error(`wrote ${PODS} pods, read ${read}`);
  at = process.hrtime.bigint();
  for (const pod of pods) mesh.localPodIps.get(pod);
  const get = (milliseconds(at) * 1e6) / PODS;

  await new Promise(resolve => setTimeout(resolve, 1000)); // what is left of the start: garbage collection, compilation
  const cpu = process.cpuUsage();
  at = process.hrtime.bigint();
  await new Promise(resolve => setTimeout(resolve, IDLE_MS));
  const { user, system } = process.cpuUsage(cpu);
  const idle = (user + system) / 10 / milliseconds(at);
  await mesh.close();
  console.log(JSON.stringify({ start, setMany, entries, get, idle, rss: process.memoryUsage.rss() / 1e6 }));
}
void main();
