// An ECMAScript consumer: the names must be visible without going through the default export.
import * as everything from 'merbridge';
import { BpfError, MeshAccelerator } from 'merbridge';
import { BpfHashMap, u32 } from 'merbridge/bpf';
import { KubernetesPods, PodController, StaticPods, WatchedFile } from 'merbridge/kubernetes';
import { registerMeshMetrics } from 'merbridge/metrics';

for (const [name, value] of Object.entries({ BpfError, BpfHashMap, MeshAccelerator, u32, KubernetesPods, PodController, StaticPods, WatchedFile, registerMeshMetrics })) {
  if (value === undefined) throw new Error(`import: ${name} is missing`);
}
const added = ['default', 'module.exports', '__esModule']; // by Node.js, by its version
console.log(JSON.stringify(Object.keys(everything).filter((name) => !added.includes(name)).sort()));
