// A CommonJS consumer. Prints what it sees, for import.mjs to compare.
const merbridge = require('merbridge');

if (typeof merbridge.MeshAccelerator !== 'function') throw new Error('require: MeshAccelerator is missing');
if (require('merbridge/package.json').name !== 'merbridge') throw new Error('require: package.json is missing');
if (typeof require('merbridge/bpf').BpfHashMap !== 'function') throw new Error('require: merbridge/bpf is missing');
if (typeof require('merbridge/kubernetes').PodController !== 'function') throw new Error('require: merbridge/kubernetes is missing');
if (typeof require('merbridge/metrics').registerMeshMetrics !== 'function') throw new Error('require: merbridge/metrics is missing');
console.log(JSON.stringify(Object.keys(merbridge).sort()));
