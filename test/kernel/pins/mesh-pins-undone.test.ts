/** A takeover that fails leaves each hook with the program that it had. */
import assert from 'node:assert/strict';
import os from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MeshAccelerator } from 'merbridge';
import { BpfLink, BpfMapHandle, BpfProgram, BpfSockHashMap, bytes, kernelAtLeast } from 'merbridge/bpf';
import { PinPlace } from '../../fixtures/pin-place';

const FAULT = 'the last link cannot be updated';

test(
  'sockets get the sk_msg program of before also where it is the other variant',
  { skip: !kernelAtLeast('5.18') && 'this kernel does not tell the program of a sockmap' },
  async t => {
    using place = new PinPlace();
    const { options } = place;
    const set = join(options.pinDirectory, 'v1/sets/1');
    // An earlier version ran the variant for older kernels: it is the one that this release would suggest.
    const earlier = t.mock.method(os, 'release', () => '6.1.0');
    await (await MeshAccelerator.start(options)).close();
    earlier.mock.restore();
    using variant = BpfProgram.fromPin(join(set, 'programs/mb_redirect_msg_by_calls'));
    using map = BpfMapHandle.fromPin(join(set, 'maps/sock_pair_map'));
    using sockets = BpfSockHashMap.from(map, { key: bytes(map.keySize) });
    const running = (): unknown => [...place.attached(), ...sockets.verdictPrograms().map(({ id }) => id)];
    const before = running();
    assert.equal(sockets.verdictPrograms()[0]?.id, variant.id);

    const { update } = BpfLink.prototype;
    let replaced: unknown;
    t.mock.method(BpfLink.prototype, 'update', function (this: BpfLink, program: BpfProgram) {
      if (replaced === undefined && program.name === 'mb_connect4') {
        replaced = sockets.verdictPrograms()[0]?.id;
        throw new Error(FAULT);
      }
      update.call(this, program);
    });
    await assert.rejects(MeshAccelerator.start(options), { message: FAULT });
    assert.notEqual(replaced, undefined);
    assert.notEqual(replaced, variant.id, 'the new version ran another one when it failed');
    assert.deepEqual(running(), before);
    await place.assertStarts([], 'after the failed start');
  },
);
