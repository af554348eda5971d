/**
 * The level below the mesh: maps of your own, and a compiled object with its programs, maps and settings.
 *
 * Opening an object needs no privilege; creating a map and loading a program do.
 */
import { BpfError, objectPath } from 'merbridge';
import { BpfHashMap, OpenBpfObject, ipAddress, struct, u32, u64 } from 'merbridge/bpf';

/** A struct as C lays it out: `hits` begins at byte 8, and the padding before it is zero. */
const visit = struct({ weight: u32, hits: u64 }, { name: 'visit' });

function ownMap(): void {
  using visits = BpfHashMap.create({ name: 'visits', key: ipAddress, value: visit, maxEntries: 1024 });
  visits.set('10.0.0.7', { weight: 1, hits: 0n });
  visits.setMany([
    ['10.0.0.8', { weight: 2, hits: 1n }],
    ['fd00::9', { weight: 3, hits: 2n ** 40n }],
  ]);
  visits.delete('10.0.0.7');
  for (const [address, { weight, hits }] of visits.entries())
    console.log(`  ${address}: weight ${weight}, ${hits} hits`);
}

function shippedObject(): void {
  using open = OpenBpfObject.openFile(objectPath('merbridge'));
  console.log(
    `programs: ${open
      .programs()
      .map(program => program.name)
      .join(', ')}`,
  );
  console.log(
    `maps: ${open
      .maps()
      .map(map => map.name)
      .join(', ')}`,
  );

  open.map('local_pod_ips').maxEntries = 64; // settings can be changed between open and load
  using object = open.load(); // verified and loaded, but not attached
  const pod = struct({ acceleration: u32, rules: u32, cgroup: u64 }, { name: 'mb_pod' }); // bpf/abi/pod.h
  const pods = BpfHashMap.from(object.map('local_pod_ips'), { key: ipAddress, value: pod });
  pods.set('10.0.0.7', { acceleration: 0, rules: 0, cgroup: 0n });
  console.log(`loaded: local_pod_ips has room for ${pods.maxEntries} pods and holds ${pods.count()}`);
} // `using` closes in reverse order, also after an error

try {
  console.log('a map of my own:');
  ownMap();
  shippedObject();
} catch (error) {
  if (!(error instanceof BpfError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
