/** What the address of a pod is, for the table of pods and for every source of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { MerbridgeError } from '../../src/errors';
import { podAddress, podAddressIfAny } from '../../src/policy';

describe('the address of a pod', () => {
  for (const [text, form] of [
    ['10.0.0.7', '10.0.0.7'],
    ['223.255.255.255', '223.255.255.255'],
    ['::ffff:10.0.0.7', '10.0.0.7'],
    ['::FFFF:10.0.0.7', '10.0.0.7'],
    ['::ffff:a00:7', '10.0.0.7'],
  ] as const) {
    it(`${text} is ${form}`, () => {
      assert.equal(podAddress(text), form);
      assert.equal(podAddressIfAny(text), form);
    });
  }

  for (const text of [
    '',
    'pod',
    '10.0.0',
    '10.0.0.07',
    '10.0.0.7/32',
    ' 10.0.0.7',
    '0.1.2.3',
    '127.0.0.1',
    '::ffff:127.0.0.6',
    '224.0.0.1',
    '255.255.255.255',
    'fd00::7',
    '::',
    'fe80::1%eth0',
    undefined,
    7,
  ]) {
    it(`${String(text)} is none`, () => {
      const address = text as string;
      assert.throws(
        () => podAddress(address),
        (error: unknown) => {
          return error instanceof MerbridgeError && error.code === 'ERR_BPF_INVALID_ADDRESS';
        },
      );
      assert.equal(podAddressIfAny(address), undefined);
    });
  }
});
