import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sameTreatment } from '../../src/kubernetes/controller/same-treatment';

const rules = (value: Record<string, unknown>): any => ({ rules: value });

test('what is the same in another form is the same', () => {
  const same: [any, any][] = [
    [{}, { acceleration: 'inherit' }],
    [{}, rules({})],
    [{}, rules({ includeOutboundRanges: '*', excludeInboundPorts: [], includeOutboundPorts: undefined })],
    [rules({ excludeInboundPorts: [80, 443, 80] }), rules({ excludeInboundPorts: [443, 80] })],
    [
      rules({ excludeOutboundRanges: ['10.0.0.99/24', '192.0.2.1/32'] }),
      rules({ excludeOutboundRanges: ['192.0.2.1/32', '10.0.0.0/24'] }),
    ],
    [rules({ includeInboundPorts: [80], excludeInboundPorts: [90] }), rules({ includeInboundPorts: [80] })],
  ];
  for (const [one, other] of same) assert.ok(sameTreatment(one, other), JSON.stringify([one, other]));
});

test('what differs is not', () => {
  const other: [any, any][] = [
    [{}, { acceleration: 'off' }],
    [{}, rules({ includeInboundPorts: [] })],
    [rules({ includeInboundPorts: [] }), rules({ includeInboundPorts: '*' })],
    [rules({ excludeOutboundPorts: [80] }), rules({ includeOutboundPorts: [80] })],
    [rules({ excludeOutboundRanges: ['10.0.0.0/24'] }), rules({ excludeOutboundRanges: ['10.0.0.0/25'] })],
    [rules({ excludeOutboundRanges: ['0.0.0.0/0'] }), rules({ excludeOutboundRanges: ['0.0.0.0/1'] })],
  ];
  for (const [one, two] of other) assert.ok(!sameTreatment(one, two), JSON.stringify([one, two]));
});
