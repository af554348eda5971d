/** The reference that the datapath is held to, held itself to the order of istio-iptables' golden files. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { istioRules, type IstioRules } from '../bed/istio-rules';

/** The rules of one chain. */
function chain(name: string, options: IstioRules): string[] {
  const start = `-A ${name} `;
  return istioRules(options)
    .split('\n')
    .filter(line => line.startsWith(start))
    .map(line => line.slice(start.length));
}

const uid = (rule: string): string => rule.replace('OWNER', '--uid-owner 1337');
const gid = (rule: string): string => rule.replace('OWNER', '--gid-owner 1337');
const call = '-o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner OWNER -j ISTIO_IN_REDIRECT';
const own = ['-o lo -m owner ! --uid-owner 1337 -j RETURN', '-o lo -m owner ! --gid-owner 1337 -j RETURN'];
const exempt = '-m owner OWNER -j RETURN';
const passthrough = '-o lo -s 127.0.0.6/32 -j RETURN';
const owners = [uid(call), own[0], uid(exempt), gid(call), own[1], gid(exempt)];

test('defaults: everything is captured', () => {
  assert.deepEqual(chain('ISTIO_OUTPUT', {}), [
    passthrough,
    ...owners,
    '-d 127.0.0.1/32 -j RETURN',
    '-j ISTIO_REDIRECT',
  ]);
  assert.deepEqual(chain('PREROUTING', {}), ['-p tcp -j ISTIO_INBOUND']);
  assert.deepEqual(chain('OUTPUT', {}), ['-j ISTIO_OUTPUT']);
  assert.deepEqual(chain('ISTIO_INBOUND', {}), [
    '-p tcp --dport 15008 -j RETURN',
    '-p tcp --dport 15090 -j RETURN',
    '-p tcp --dport 15021 -j RETURN',
    '-p tcp --dport 15020 -j RETURN',
    '-p tcp -j ISTIO_IN_REDIRECT',
  ]);
});

test('outbound: excluded ports come before all, then excluded ranges, included ports, included ranges', () => {
  assert.deepEqual(
    chain('ISTIO_OUTPUT', {
      excludeOutboundPorts: [5432],
      includeOutboundPorts: [32000, 31000],
      includeOutboundRanges: ['9.9.0.0/16', '2001:db8::/32'],
      excludeOutboundRanges: ['1.1.0.0/16', '2001:db8:1::/48'],
    }),
    [
      '-p tcp --dport 5432 -j RETURN',
      '-p udp --dport 5432 -j RETURN',
      passthrough,
      ...owners,
      '-d 127.0.0.1/32 -j RETURN',
      '-d 1.1.0.0/16 -j RETURN',
      '-p tcp --dport 32000 -j ISTIO_REDIRECT',
      '-p tcp --dport 31000 -j ISTIO_REDIRECT',
      '-d 9.9.0.0/16 -j ISTIO_REDIRECT',
    ],
  );
});

test('no range and no port included: nothing is redirected outbound', () => {
  assert.deepEqual(chain('ISTIO_OUTPUT', { includeOutboundRanges: [] }), [
    passthrough,
    ...owners,
    '-d 127.0.0.1/32 -j RETURN',
  ]);
});

test('a range that begins with a loopback address: applications are not exempt on lo', () => {
  for (const range of ['127.1.2.3/32', '127.0.0.0/8', '::1/128']) {
    assert.deepEqual(chain('ISTIO_OUTPUT', { includeOutboundRanges: [range] }), [
      passthrough,
      uid(call),
      uid(exempt),
      gid(call),
      gid(exempt),
      '-d 127.0.0.1/32 -j RETURN',
      ...(range.includes(':') ? [] : [`-d ${range} -j ISTIO_REDIRECT`]),
    ]);
  }
  assert.equal(
    chain('ISTIO_OUTPUT', { includeOutboundRanges: ['0.0.0.0/0'] }).includes(own[0]!),
    true,
    'not one that only covers loopback',
  );
});

test('inbound: a list of ports turns exclusions off, an empty one everything', () => {
  assert.deepEqual(chain('ISTIO_INBOUND', { includeInboundPorts: [32000, 31000], excludeInboundPorts: [32000] }), [
    '-p tcp --dport 15008 -j RETURN',
    '-p tcp --dport 32000 -j ISTIO_IN_REDIRECT',
    '-p tcp --dport 31000 -j ISTIO_IN_REDIRECT',
  ]);
  assert.deepEqual(chain('PREROUTING', { includeInboundPorts: [] }), []);
});
