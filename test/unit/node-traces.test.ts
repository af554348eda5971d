/** What `npm run test:node` takes for a trace of its node, on a machine where others work, too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMountOfNode, isOfNode } from '../node/traces';

test('files and cgroups: what a runtime, a kubelet and the agent make, and nothing else', () => {
  for (const name of ['cni-0a1b', 'containerd', 'kubelet', 'kubepods', 'pods', 'merbridge', 'merbridge-node-7.8.0'])
    assert.ok(isOfNode(name), name);
  for (const name of [
    'apt',
    'dpkg.log',
    'merbridge-kubernetes-7.8.0',
    'mb-7-client',
    'sudo',
    'user.slice',
    'xtables.lock',
  ])
    assert.ok(!isOfNode(name), name);
});

test('mounts: on what the node covers, and of its pods', () => {
  const on = (target: string, source = 'tmpfs'): boolean => isMountOfNode({ source, target });
  for (const target of ['/run', '/var/lib', '/proc/sys/kernel/panic', '/run/netns/cni-0a1b'])
    assert.ok(on(target), target);
  assert.ok(on('/run/containerd/io.containerd.runtime.v2.task/k8s.io/0a/rootfs', 'overlay'));
  assert.ok(on('/mnt/a', '/dev/vda[/tmp/merbridge-node-7.8.0/var/lib]'));
  for (const target of ['/run/user/0', '/run/netns/mb-7-client', '/tmp/merbridge-pins-7.8.0', '/mnt/usb'])
    assert.ok(!on(target), target);
  assert.ok(!on('/run/containerd/io.containerd.runtime.v2.task/moby/0a/rootfs', 'overlay'));
});
