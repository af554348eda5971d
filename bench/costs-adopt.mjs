/**
 * One fresh process: what a controller pays that starts over pins, whether there are some or not. Prints one line of
 * JSON.
 */
import { MeshAccelerator } from 'merbridge';

const [cgroup = '', pinDirectory = ''] = process.argv.slice(2);

async function main() {
  const at = process.hrtime.bigint();
  const mesh = await MeshAccelerator.start({ cgroup, pinDirectory });
  const milliseconds = Number(process.hrtime.bigint() - at) / 1e6;
  const adopted = mesh.adoption !== undefined;
  await mesh.close();
  console.log(JSON.stringify({ milliseconds, adopted }));
}
void main();
