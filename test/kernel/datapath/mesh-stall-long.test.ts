/**
 * A reader that stalls for long and goes on: the rest comes at once, also where TCP paces itself by what it has
 * measured meanwhile.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Bed, SLOWNESS, enterMesh, stall, startSidecar } from '../../bed';

const BYTES = 24_000_000;
const STALL_SECONDS = 20;
/** BBR took 150 s, by the bandwidth that it had seen during the stall. */
const LIMIT_SECONDS = 75 * SLOWNESS;

const available = (): string => readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8');

// Almost all of it is waiting.
describe('a long stall', { concurrency: true }, () => {
  for (const congestion of ['reno', 'bbr']) {
    test(
      `haproxy, full, ${congestion}: a reader that stops for ${STALL_SECONDS} s gets the rest soon after`,
      { timeout: 300_000 * SLOWNESS },
      async t => {
        if (!available().split(/\s/).includes(congestion)) {
          t.diagnostic(`this kernel has no ${congestion}, or has not loaded it`);
          return;
        }
        using bed = Bed.create({ subnet: 109 });
        const pods = [bed.pod('client'), bed.pod('server')] as const;
        for (const pod of pods) pod.admin('sysctl', ['-qw', `net.ipv4.tcp_congestion_control=${congestion}`]);
        await using mesh = await enterMesh(bed, 'full');
        for (const pod of pods) await startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false });
        const { bytes, wrongAt, seconds } = await stall(...pods, BYTES, STALL_SECONDS);
        t.diagnostic(`${seconds.toFixed(1)} s`);
        assert.deepEqual({ bytes, wrongAt }, { bytes: BYTES, wrongAt: -1 });
        assert.ok(mesh.counters().redirectedMessages > 0n, 'it began in the map');
        assert.ok(seconds < LIMIT_SECONDS, `${seconds.toFixed(1)} s`);
      },
    );
  }
});
