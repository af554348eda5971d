/** The codecs of the mesh against the structs that the shipped object was compiled with, byte for byte. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { fromBytes, objectBtf, structLayout, toBytes, type Codec } from '../../src/codec';
import { mbAcceleration } from '../../src/mesh/abi/enums';
import * as structs from '../../src/mesh/abi/structs';
import { bufferSizes } from '../../src/mesh/datapath/buffer-sizes';
import { objectPath } from '../../src/mesh/objects';
import { programSettingsCodec } from '../../src/mesh/datapath/program-settings';
import { meshProfiles } from '../../src/policy';
import { pendingCodec, quadrupleCodec } from '../../src/mesh/maps/quadruple';

const { mbEndpoint, mbPod } = structs;
const object = readFileSync(objectPath('merbridge'));

/** name -> [offset, size] of every member, as clang laid them out. */
function members(struct: string): Record<string, [offset: number, size: number]> {
  return Object.fromEntries(
    structLayout(object, struct).members.map(({ name, offset, size }) => [name, [offset, size]]),
  );
}

/** Names of the members in which two encodings differ: which bytes a field of the codec goes to. */
function touched<T>(struct: string, codec: Codec<T>, one: T, other: T): string[] {
  const [a, b] = [toBytes(codec, one), toBytes(codec, other)];
  return Object.entries(members(struct))
    .filter(([, [offset, size]]) => !a.subarray(offset, offset + size).equals(b.subarray(offset, offset + size)))
    .map(([name]) => name);
}

describe('the compiled objects', () => {
  for (const name of ['merbridge', 'probe'] as const) {
    it(`${name} was built, for BPF, with type information`, () => {
      assert.ok(existsSync(objectPath(name)), objectPath(name));
      const bytes = readFileSync(objectPath(name));
      assert.equal(bytes.toString('latin1', 1, 4), 'ELF');
      assert.equal(bytes.readUInt16LE(18), 247, 'EM_BPF');
      assert.doesNotThrow(() => objectBtf(bytes, name));
    });
  }
});

describe('src/mesh/abi', () => {
  it('is what the object was compiled with', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/generate-abi.mjs', '--check'], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
  });

  for (const { name, size, offsets } of Object.values(structs)) {
    it(`struct ${name} has its size, and each member its place`, () => {
      const { pad: _, ...places } = members(name);
      assert.equal(size, structLayout(object, name).size);
      const snakeCase = (key: string): string => key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
      assert.deepEqual(
        Object.entries(offsets).map(([key, offset]) => [snakeCase(key), offset]),
        Object.entries(places).map(([key, [offset]]) => [key, offset]),
      );
    });
  }
});

describe('quadruple', () => {
  const value = {
    local: { address: '10.244.1.10', port: 15006 },
    remote: { address: '127.0.0.6', port: 40001 },
    netns: 0x0102030405060708n,
    localIsn: 0x11223344,
    remoteIsn: 0xfedcba98,
  };

  it('is what a program writes', () => {
    assert.equal(
      toBytes(quadrupleCodec, value).toString('hex'),
      '0807060504030201' +
        '00000000000000000000ffff0af4010a' +
        '00000000000000000000ffff7f000006' +
        '3a9e' +
        '9c41' +
        '44332211' +
        '98badcfe' +
        '00000000',
    );
    assert.deepEqual(fromBytes(quadrupleCodec, toBytes(quadrupleCodec, value)), value);
  });

  it('has each field in its member', () => {
    const changes: ReadonlyArray<[object, string]> = [
      [{ netns: 1n }, 'netns'],
      [{ local: { address: '10.244.1.11', port: 15006 } }, 'local'],
      [{ remote: { address: '127.0.0.7', port: 40001 } }, 'remote'],
      [{ local: { address: '10.244.1.10', port: 1 } }, 'local_port'],
      [{ remote: { address: '127.0.0.6', port: 1 } }, 'remote_port'],
      [{ localIsn: 1 }, 'local_isn'],
      [{ remoteIsn: 1 }, 'remote_isn'],
    ];
    for (const [change, member] of changes)
      assert.deepEqual(touched('mb_tuple', quadrupleCodec, value, { ...value, ...change }), [member]);
  });

  it('has no namespace and no sequence numbers unless they are given, takes IPv6, and refuses what is none', () => {
    const { netns: _, localIsn: _local, remoteIsn: _remote, ...plain } = value;
    assert.deepEqual(fromBytes(quadrupleCodec, toBytes(quadrupleCodec, plain)), {
      ...plain,
      netns: 0n,
      localIsn: 0,
      remoteIsn: 0,
    });
    const six = { ...value, local: { address: 'fd00::1', port: 1 } };
    assert.deepEqual(fromBytes(quadrupleCodec, toBytes(quadrupleCodec, six)), six);
    assert.throws(() => toBytes(quadrupleCodec, { ...value, local: { address: '10.0', port: 1 } }), {
      code: 'ERR_BPF_INVALID_ADDRESS',
    });
    assert.throws(() => toBytes(quadrupleCodec, { ...value, local: { address: '10.0.0.1', port: 65536 } }), RangeError);
  });
});

describe('pending connection', () => {
  const value = {
    client: { address: '10.244.1.10', port: 40001 },
    clientIsn: 0x11223344,
    sidecarPort: 15006,
    netns: 7n,
  };

  it('is what a program writes, each field in its member', () => {
    assert.equal(
      toBytes(pendingCodec, value).toString('hex'),
      '0700000000000000' + '00000000000000000000ffff0af4010a' + '9c41' + '3a9e' + '44332211',
    );
    assert.deepEqual(fromBytes(pendingCodec, toBytes(pendingCodec, value)), value);
    const changes: ReadonlyArray<[object, string]> = [
      [{ netns: 1n }, 'netns'],
      [{ client: { address: '10.244.1.11', port: 40001 } }, 'client'],
      [{ client: { address: '10.244.1.10', port: 1 } }, 'client_port'],
      [{ sidecarPort: 15001 }, 'sidecar_port'],
      [{ clientIsn: 1 }, 'client_isn'],
    ];
    for (const [change, member] of changes)
      assert.deepEqual(touched('mb_pending_handshake', pendingCodec, value, { ...value, ...change }), [member]);
  });
});

describe('endpoint', () => {
  it('is what a program writes, and leaves nothing in its padding', () => {
    const buffer = Buffer.alloc(24, 0xee);
    mbEndpoint.encode({ address: '10.0.0.9', port: 80 }, buffer, 2);
    assert.equal(buffer.toString('hex'), 'eeee' + '00000000000000000000ffff0a000009' + '0050' + '0000' + 'eeee');
    assert.deepEqual(mbEndpoint.decode(buffer, 2), { address: '10.0.0.9', port: 80 });
    assert.deepEqual(members('mb_endpoint'), { address: [0, 16], port: [16, 2], pad: [18, 2] });
  });
});

describe('scope', () => {
  const pod = { acceleration: 'inherit', rules: 0, cgroup: 0n } as const;

  it('has the numbers that are in pinned maps', () => {
    assert.deepEqual(mbAcceleration, { inherit: 0, off: 1, proxies: 2, full: 3 });
    for (const [acceleration, number] of Object.entries(mbAcceleration)) {
      const bytes = toBytes(mbPod, { ...pod, acceleration: acceleration as 'off' });
      assert.equal(bytes.readUInt32LE(0), number);
      assert.equal(fromBytes(mbPod, bytes).acceleration, acceleration);
    }
  });

  it('refuses what is none', () => {
    assert.throws(() => toBytes(mbPod, { ...pod, acceleration: 'toString' as 'off' }), RangeError);
    assert.throws(() => fromBytes(mbPod, Buffer.alloc(16, 9)), RangeError);
  });
});

describe('profile', () => {
  const settings = {
    profile: meshProfiles.istio,
    charged: true,
    keepAlive: 60,
    weaklyOrdered: true,
    backlogLimit: 2 << 20,
    receiveBuffer: 3,
    sendBuffer: 4,
  };

  it('puts each setting into its member', () => {
    const bytes = toBytes(programSettingsCodec, settings);
    const at = members('mb_profile');
    const u32 = (name: string): number => bytes.readUInt32LE(at[name]![0]);
    const u16 = (name: string): number => bytes.readUInt16LE(at[name]![0]);
    assert.deepEqual(['sidecar_uid', 'sidecar_gid', 'backlog_limit', 'receive_buffer', 'send_buffer'].map(u32), [
      1337,
      1337,
      2 << 20,
      3,
      4,
    ]);
    assert.deepEqual(['charged', 'keep_alive', 'weakly_ordered'].map(u32), [1, 60, 1]);
    assert.deepEqual(
      ['outbound_port', 'inbound_port', 'tunnel_port', 'excluded_count'].map(u16),
      [15001, 15006, 15008, 3],
    );
    assert.deepEqual(
      [...bytes.subarray(at['passthrough']![0]).subarray(0, 4)],
      [127, 0, 0, 6],
      'in network byte order',
    );
    const [excluded, size] = at['excluded_inbound']!;
    assert.equal(size, 32);
    const ports = Array.from({ length: 16 }, (_, i) => bytes.readUInt16LE(excluded + 2 * i));
    assert.deepEqual(ports, [15020, 15021, 15090, ...Array<number>(13).fill(0)]);
  });

  it('says 0 for a tunnel port and a passthrough address that a mesh does not have', () => {
    const none = { ...meshProfiles.istio, tunnelPort: undefined, passthroughAddress: undefined };
    const without = { ...settings, profile: none };
    assert.deepEqual(touched('mb_profile', programSettingsCodec, settings, without), ['passthrough', 'tunnel_port']);
    const bytes = toBytes(programSettingsCodec, without);
    const at = members('mb_profile');
    assert.equal(bytes.readUInt32LE(at['passthrough']![0]), 0);
    assert.equal(bytes.readUInt16LE(at['tunnel_port']![0]), 0);
  });

  it('is never read', () => {
    assert.throws(() => fromBytes(programSettingsCodec, Buffer.alloc(programSettingsCodec.size)), TypeError);
  });
});

describe('buffer sizes', () => {
  const MiB = 1 << 20;
  it('leave room for the backlog and a window beside it, doubled by the kernel', () => {
    for (const backlogLimit of [MiB, 2 * MiB, 6 * MiB, 3 * MiB + 1]) {
      const sizes = bufferSizes(backlogLimit, 1 << 30);
      assert.equal(sizes.backlogLimit, backlogLimit);
      assert.ok(sizes.receiveBuffer * 2 >= backlogLimit + MiB && sizes.receiveBuffer * 2 <= backlogLimit + MiB + 2);
      assert.ok(Number.isInteger(sizes.receiveBuffer));
      assert.equal(sizes.sendBuffer, MiB / 2);
    }
  });
  it('leave buffers alone that the kernel would cut', () => {
    assert.equal(bufferSizes(2 * MiB, 212_992).receiveBuffer, 0);
    assert.equal(bufferSizes(2 * MiB, 0).receiveBuffer, 0);
    assert.equal(bufferSizes(2 * MiB, 1.5 * MiB).receiveBuffer, 1.5 * MiB, 'exactly as much as is allowed');
    assert.equal(bufferSizes(2 * MiB, 1.5 * MiB - 1).receiveBuffer, 0);
  });
  it('ask the kernel by default', () => {
    assert.ok(bufferSizes(2 * MiB).receiveBuffer >= 0);
  });
});
