/**
 * What a process pays for the library at its start, and how many full garbage collections that takes. Prints one line
 * of JSON.
 */
import { createRequire } from 'node:module';
import { constants, performance, PerformanceObserver } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';

const [cgroup = '', megabytes = '0'] = process.argv.slice(2);
const require = createRequire(import.meta.url);

const collections = [];
new PerformanceObserver(list => {
  for (const { startTime, detail } of list.getEntries())
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections.push(startTime);
}).observe({ entryTypes: ['gc'] });

/** Objects such as an application has: they stay, and each full collection marks them. */
const objects = [];
const empty = process.memoryUsage().heapUsed;
while (process.memoryUsage().heapUsed - empty < Number(megabytes) * 1e6)
  for (let i = 0; i < 1000; i++)
    objects.push({ name: `pod-${objects.length}`, labels: { app: `app-${i}` }, ports: [i, i + 1] });
await setTimeout(200);

const spans = {};
async function measured(name, run) {
  const from = performance.now();
  const result = await run();
  spans[name] = [from, performance.now()];
  return result;
}

const { MeshAccelerator } = await measured('require', () => require('merbridge'));
const mesh = await measured('start', () => MeshAccelerator.start({ cgroup }));
await mesh.close();
await setTimeout(200); // The observer is told later.
const figures = Object.entries(spans).flatMap(([name, [from, to]]) => [
  [name, to - from],
  [`${name}Collections`, collections.filter(at => at >= from && at <= to).length],
]);
console.log(JSON.stringify(Object.fromEntries(figures)));
if (objects.length < Number(megabytes)) throw new Error('the objects are gone');
