/** When a map that user space writes is counted, and what is told of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MapPressureEvent } from '../../src/mesh/events/event-records';
import { alarmsFor, MapPressure } from '../../src/mesh/events/map-pressure';

function watched(
  maxEntries: number,
  entries = 0,
): { state: { entries: number; counts: number }; told: MapPressureEvent[]; pressure: MapPressure } {
  const state = { entries, counts: 0 };
  const told: MapPressureEvent[] = [];
  const count = (): number => {
    state.counts++;
    return state.entries;
  };
  return { state, told, pressure: new MapPressure('pods', maxEntries, count, event => told.push(event)) };
}

test('levels, and where they are told again', () => {
  assert.deepEqual(alarmsFor(1000), { alarm: [800, 950], rearm: [750, 900] });
  assert.deepEqual(alarmsFor(2), { alarm: [2, 2], rearm: [1, 1] });
  assert.deepEqual(alarmsFor(1), { alarm: [1, 1], rearm: [1, 1] });
});

test('what is in the map from the start is told at once', () => {
  assert.deepEqual(watched(100, 79).told, []);
  assert.deepEqual(
    watched(100, 80).told.map(({ level }) => level),
    [0.8],
  );
  assert.deepEqual(watched(100, 100).told, [{ map: 'pods', entries: 100, maxEntries: 100, level: 0.95 }]);
});

test('one by one, at most a hundredth late, and counted seldom', () => {
  const { state, told, pressure } = watched(10_000);
  for (let i = 0; i < 10_000; i++) {
    state.entries++;
    pressure.changed(1, 0);
  }
  assert.deepEqual(
    told.map(({ level }) => level),
    [0.8, 0.95],
  );
  assert.ok(told[0]!.entries <= 8100 && told[1]!.entries <= 9600);
  assert.ok(state.counts < 10, `${state.counts}`);
});

test('overwriting just below a level counts once in a hundredth of the map', () => {
  const { state, told, pressure } = watched(10_000, 7999);
  for (let i = 0; i < 1000; i++) pressure.changed(1, 0);
  assert.deepEqual(told, []);
  assert.ok(state.counts <= 11, `${state.counts}`);
});

test('told again only after it fell five points below', () => {
  const { state, told, pressure } = watched(1000, 800);
  const to = (entries: number): void => {
    const difference = entries - state.entries;
    state.entries = entries;
    pressure.changed(Math.max(difference, 0), Math.max(-difference, 0));
  };
  for (const entries of [760, 810, 751, 900]) to(entries);
  assert.equal(told.length, 1);
  for (const entries of [749, 820]) to(entries);
  assert.deepEqual(
    told.map(({ level }) => level),
    [0.8, 0.8],
  );
  for (const entries of [1000, 899, 1000]) to(entries);
  assert.deepEqual(
    told.map(({ level }) => level),
    [0.8, 0.8, 0.95, 0.95],
  );
});
