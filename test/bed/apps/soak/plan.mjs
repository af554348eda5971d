// What a stream does, from a seed and its number: both ends make the same plan of the header that the client sends
// first.
//
// Kinds that end well, where every byte must arrive:
//   request   the client sends all and half-closes, the server answers when it has all, and closes
//   push      the server sends all and closes; the client sends nothing but the header
//   exchange  messages in turn, then the client closes
//   duplex    both send at once; the client closes when it has all
//   half      both send at once, and each half-closes when it has sent all
//   oneway    the client sends all and closes at once
// Kinds that end badly: what arrived must be a right beginning, and the other end must see an end.
//   unread    both send at once; one stops reading and closes with data unread
//   reset     both send at once; one resets (SO_LINGER 0) in the middle
//   abandon   both send at once; one closes in the middle of its sending, reading all along
import { startOf } from './ramp.mjs';

const MAGIC = Buffer.from('mbstream');
export const HEADER = 24;

/** Whether both ends of a kind must get all. */
export const ENDS_WELL = {
  request: true,
  push: true,
  exchange: true,
  duplex: true,
  half: true,
  oneway: true,
  unread: false,
  reset: false,
  abandon: false,
};

const SMALL = 2000;
const LARGE = 1 << 20;
// Not `half`. Both proxies cut a few of such streams by themselves, also under iptables, if more is under way than
// sockets hold: Envoy 1.40 has read the ends of both sides, gets EAGAIN for what is left to write, and closes; HAProxy
// 2.6 see docs/limits.md. So `half` is for streams that fit into the first window of a connection, 64 KB.
const GENTLE = ['request', 'push', 'exchange', 'duplex', 'oneway'];

/**
 * The cases that are made of such streams: kinds, the longest message, the most messages, how often a reader stalls,
 * pause between messages (ms).
 */
const FAMILIES = {
  short: { kinds: [...GENTLE, 'half'], longest: SMALL, messages: 3, stalls: 0, pause: 0 },
  eager: { kinds: ['request', 'duplex', 'oneway'], longest: 200, messages: 12, stalls: 0, pause: 4 },
  mixed: { kinds: GENTLE, longest: LARGE, messages: 6, stalls: 0.2, pause: 0 },
  half: { kinds: ['half'], longest: 8000, messages: 6, stalls: 0.2, pause: 0 },
  abrupt: { kinds: ['unread', 'reset', 'abandon'], longest: LARGE, messages: 6, stalls: 0.1, pause: 0 },
  long: { kinds: ['exchange', 'duplex'], longest: 1 << 16, messages: 40, stalls: 0.5, pause: 60 },
  tls: { kinds: ['exchange', 'duplex', 'request'], longest: 1 << 17, messages: 5, stalls: 0.1, pause: 0 },
  upgrade: { kinds: ['exchange', 'duplex'], longest: 1 << 16, messages: 8, stalls: 0.1, pause: 0 },
  dying: { kinds: ['abandon', 'duplex', 'exchange'], longest: LARGE, messages: 12, stalls: 0.2, pause: 20 },
  download: { kinds: ['push'], longest: LARGE, messages: 1, stalls: 0, pause: 0 },
};
export const FAMILY_NAMES = Object.keys(FAMILIES);

/** A generator of numbers below 2^32 (splitmix32): small, and good enough for sizes. */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

/**
 * `id`: family, seed, index, doomed (its sidecar or its client will die: it may end at any moment), bytes (of a
 * download).
 */
export function plan(id) {
  const family = FAMILIES[id.family];
  const next = generator(id.seed ^ Math.imul(id.index + 1, 0x85ebca6b));
  const below = most => next() % most;
  const chance = share => next() / 2 ** 32 < share;
  const kind = family.kinds[below(family.kinds.length)];
  // As many sizes of each magnitude: 1 B, 10 B, … to the longest.
  const size = () => Math.max(1, Math.floor(Math.exp((next() / 2 ** 32) * Math.log(family.longest))));
  const direction = () => {
    const sizes = id.bytes > 0 ? pieces(id.bytes) : Array.from({ length: 1 + below(family.messages) }, size);
    const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
    const stallAt = chance(family.stalls) ? Math.floor(total * [0, 0.5, 1][below(3)]) : -1;
    return {
      start: startOf(next()),
      sizes,
      total,
      stallAt,
      stallMs: 50 + below(250),
      pauses: family.pause > 0 ? sizes.map(() => below(family.pause)) : null,
    };
  };
  const up = direction();
  const down = direction();
  if (kind === 'exchange') {
    const rounds = Math.min(up.sizes.length, down.sizes.length);
    for (const side of [up, down]) cut(side, rounds);
  }
  if (kind === 'push') cut(up, 0);
  if (kind === 'oneway') cut(down, 0);
  const endsWell = ENDS_WELL[kind];
  return {
    id,
    kind,
    up,
    down,
    whole: endsWell && !id.doomed,
    /** Who ends badly, and after how many bytes read (unread) or sent. */
    breaker: endsWell ? null : { client: chance(0.5), after: next() / 2 ** 32 },
  };
}

function cut(side, messages) {
  side.sizes.length = messages;
  side.total = side.sizes.reduce((sum, bytes) => sum + bytes, 0);
  side.stallAt = Math.min(side.stallAt, side.total);
}

function pieces(bytes) {
  const sizes = [];
  for (let left = bytes; left > 0; left -= LARGE) sizes.push(Math.min(LARGE, left));
  return sizes;
}

export function encodeHeader(id) {
  const header = Buffer.alloc(HEADER);
  MAGIC.copy(header);
  header.writeUInt32LE(id.seed, 8);
  header.writeUInt32LE(id.index, 12);
  header.writeUInt32LE(id.bytes, 16);
  header[20] = FAMILY_NAMES.indexOf(id.family);
  header[21] = id.doomed ? 1 : 0;
  return header;
}

/** What a header says; undefined if this is none. */
export function decodeHeader(header) {
  if (!MAGIC.equals(header.subarray(0, MAGIC.length)) || header[20] >= FAMILY_NAMES.length) return undefined;
  return {
    family: FAMILY_NAMES[header[20]],
    seed: header.readUInt32LE(8),
    index: header.readUInt32LE(12),
    bytes: header.readUInt32LE(16),
    doomed: header[21] === 1,
  };
}

/**
 * What came in the place of a header: the damage that it shows, and whose it was if its header came later; undefined if
 * it is a header's beginning.
 */
export function withoutHeader(bytes) {
  if (MAGIC.subarray(0, bytes.length).equals(bytes.subarray(0, MAGIC.length))) return undefined;
  const at = bytes.indexOf(MAGIC);
  if (at < 0) return { damage: 'wrong' };
  const late = bytes.length >= at + HEADER ? decodeHeader(bytes.subarray(at)) : undefined;
  return { damage: 'reordered', family: late?.family, index: late?.index };
}
