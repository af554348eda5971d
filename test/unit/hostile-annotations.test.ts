/**
 * What the owner of a pod may write to hurt the agent: it costs time by its length and no more, and nothing of it acts
 * on a terminal.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { BpfError, InvalidAddressError, PodRulesError, printable, quoted, shown } from '../../src/errors';
import {
  KubernetesError,
  PodFileError,
  PodRefusedError,
  PodsLeftOutError,
  StaticPods,
  WatchedFile,
} from '../../src/kubernetes';
import { parsePods } from '../../src/kubernetes/sources/pod-file';
import { readPod } from '../../src/kubernetes/sources/read-pod';
import { WantedPods } from '../../src/kubernetes/controller/wanted-pods';
import { resolveOptions } from '../../src/mesh/mesh-options';
import { istioPodRules, ruleSetOf } from '../../src/policy';

const PREFIX = 'traffic.sidecar.istio.io/';
const ANNOTATIONS = [
  'includeInboundPorts',
  'excludeInboundPorts',
  'includeOutboundPorts',
  'excludeOutboundPorts',
  'includeOutboundIPRanges',
  'excludeOutboundIPRanges',
];
const HOSTILE = '\u001b]0;owned\u0007\r\n\u007f\u0085\u009b31m\u061c\u200b\u200f\u2028\u2029\u202e\u2066\ufeff\ud800';
// eslint-disable-next-line no-control-regex -- these are what is meant
const ACTS = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;

function thrown(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' });
}

/** Milliseconds of CPU time: others on this machine are not in it. */
function took(work: () => unknown): number {
  const began = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000;
}

/** One line that can be read, here and in what led to it. */
function assertHarmless(error: Error, most = 8300): void {
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    assert.doesNotMatch(one.message, ACTS);
    assert.doesNotMatch(one.stack!.replaceAll('\n    at ', ''), ACTS);
    assert.ok(one.message.length <= most, `${one.message.length} characters`);
  }
  assert.ok(inspect(error).length < 300_000); // an escape has six characters
}

describe('hostile annotation', () => {
  for (const annotation of ANNOTATIONS) {
    it(`256 KiB of commas in ${annotation}: 20 problems, a message of a few kB, at once`, t => {
      const annotations = { [`${PREFIX}${annotation}`]: ','.repeat(256 * 1024) };
      let error: PodRulesError | undefined;
      const ms = took(() => {
        error = thrown(() => istioPodRules(annotations)) as PodRulesError;
      });
      t.diagnostic(`${ms.toFixed(1)} ms, ${error!.message.length} characters`);
      assert.ok(error instanceof PodRulesError);
      assert.equal(error.problems.length, 20);
      assert.equal(error.hasMore, true);
      assert.match(error.message, /; and more, these are the first 20 \(/);
      assertHarmless(error, 5000);
      assert.ok(ms < 500, `${ms} ms`);
    });
  }

  it('10 MB are refused unread', t => {
    for (const annotation of [...ANNOTATIONS.map(name => `${PREFIX}${name}`), 'status.sidecar.istio.io/port']) {
      let error: Error | undefined;
      const ms = took(() => {
        error = thrown(() => istioPodRules({ [annotation]: ','.repeat(10_000_000) }));
      });
      assert.match(error!.message, /has 10000000 characters, where Kubernetes allows 262144/);
      assert.ok(ms < 100, `${ms} ms`);
      t.diagnostic(`${annotation}: ${ms.toFixed(1)} ms`);
    }
  });

  it('time grows with the length, not with its square, for what is right and for what is wrong', t => {
    for (const [what, entry] of [
      ['ports', '8080,'],
      ['ranges', '10.1.2.0/24,'],
      ['spaces', ' ,'],
      ['letters', 'x'],
    ] as const) {
      const annotation = `${PREFIX}${what === 'ranges' ? 'excludeOutboundIPRanges' : 'excludeOutboundPorts'}`;
      const time = (length: number): number =>
        Math.min(
          ...Array.from({ length: 5 }, () =>
            took(() => {
              try {
                istioPodRules({ [annotation]: `${entry.repeat(length / entry.length)}${entry.replace(/[ ,]/g, '')}` });
              } catch (error) {
                assert.ok(error instanceof PodRulesError);
              }
            }),
          ),
        );
      time(64 * 1024); // compiled
      const [short, long] = [time(64 * 1024), time(250 * 1024)];
      t.diagnostic(`${what}: 64 KiB in ${short.toFixed(1)} ms, 250 KiB in ${long.toFixed(1)} ms`);
      assert.ok(long < 50 + short * 10, `${what}: ${short} ms, ${long} ms`);
    }
  });

  it('a few wrong entries are all told, and 21 are said to be more than 20', () => {
    const few = thrown(() =>
      istioPodRules({ [`${PREFIX}excludeOutboundPorts`]: 'a,'.repeat(19) + 'b' }),
    ) as PodRulesError;
    assert.deepEqual([few.problems.length, few.hasMore], [20, false]);
    assert.doesNotMatch(few.message, /and more/);
    const more = thrown(() =>
      istioPodRules({ [`${PREFIX}excludeOutboundPorts`]: 'a,'.repeat(20) + 'b' }),
    ) as PodRulesError;
    assert.deepEqual([more.problems.length, more.hasMore], [20, true]);
    const refused = new PodRefusedError('shop/cart', more.problems, 'it is left out', { cause: more });
    assert.match(refused.message, /and more/);
  });

  it('lists of an option stop as well', () => {
    for (const name of [
      'includeInboundPorts',
      'excludeOutboundPorts',
      'includeOutboundRanges',
      'excludeOutboundRanges',
    ]) {
      const list = Array<string>(1_000_000).fill('x'.repeat(1000));
      let error!: PodRulesError;
      const ms = took(() => {
        error = thrown(() => ruleSetOf({ [name]: list })) as PodRulesError;
      });
      assert.ok(ms < 500, `${ms} ms`);
      assert.equal(error.problems.length, 20);
      assertHarmless(error, 8300);
    }
  });

  it('a long entry is cut, in the message and in the problem', () => {
    const error = thrown(() =>
      istioPodRules({ [`${PREFIX}excludeOutboundIPRanges`]: `10.0.0.0/8,${'9'.repeat(200_000)}` }),
    ) as PodRulesError;
    assert.equal((error.problems[0]!.entry as string).length, 81);
    assertHarmless(error, 400);
  });

  it('control characters are escaped in what is told of annotations, scopes, names and addresses', () => {
    for (const annotation of [...ANNOTATIONS.map(name => `${PREFIX}${name}`), 'status.sidecar.istio.io/port'])
      assertHarmless(thrown(() => istioPodRules({ [annotation]: `x${HOSTILE}x` })));
    const errors: PodRefusedError[] = [];
    const wanted = new WantedPods(
      annotations => istioPodRules(annotations),
      error => errors.push(error),
    );
    wanted.of(
      new Map([
        [
          'k',
          {
            name: `shop/${HOSTILE}`,
            addresses: [HOSTILE, '10.0.0.1', ...Array.from({ length: 1000 }, () => 'x'.repeat(10_000))],
            options: {},
            annotations: { [`${PREFIX}excludeOutboundPorts`]: `${HOSTILE},`.repeat(1000) },
          },
        ],
      ]),
    );
    const { problems } = readPod(
      {
        metadata: {
          name: 'a',
          namespace: 'b',
          uid: 'c',
          resourceVersion: '1',
          annotations: { 'merbridge.io/acceleration': HOSTILE.repeat(10_000) },
        },
        status: { podIP: '10.0.0.1' },
      },
      () => true,
      () => true,
    );
    errors.push(new PodRefusedError(HOSTILE, problems, 'it is treated as without'));
    assert.equal(errors.length, 2);
    for (const error of errors) {
      assertHarmless(error);
      assert.doesNotMatch(error.pod, ACTS);
      assert.ok(error.problems.length <= 20);
    }
  });
});

describe('hostile text', () => {
  it('is escaped and cut in every error that is made of it', () => {
    const text = HOSTILE.repeat(10_000);
    for (const error of [
      new BpfError('ERR_BPF_SYSTEM_CALL', { operation: text, subject: text, hint: text }, text),
      new InvalidAddressError(text, text),
      new PodFileError(`/${text}`, text),
      new PodsLeftOutError([text, text, text, text]),
      new KubernetesError('ERR_KUBERNETES_STATUS', text, { subject: text }),
      new PodRulesError([{ name: text, position: 1, entry: text, reason: text }]),
      thrown(() => ruleSetOf({ [text]: [] })),
      thrown(() => resolveOptions({ cgroup: '/x', [text]: 1 })),
      thrown(() => resolveOptions({ cgroup: '/x', acceleration: text as never })),
      thrown(() => resolveOptions({ cgroup: '/x', profile: text as never })),
      thrown(() => resolveOptions({ cgroup: '/x', ignoreAdvisories: [text] })),
      thrown(() => new StaticPods(text)),
    ])
      assertHarmless(error, 17_000 * 8);
  });

  it('of a file of pods is escaped and cut, wherever it is', async () => {
    const key = JSON.stringify(HOSTILE.repeat(1000));
    const texts = [
      HOSTILE,
      `{"10.0.0.1": ${HOSTILE}}`,
      `{${key}: {}}`,
      `{${key}: {}, ${key}: {}}`,
      `{"10.0.0.1": {${key}: 1}}`,
      `{"10.0.0.1": {"acceleration": ${key}}}`,
      `{"10.0.0.1": {"rules": {${key}: []}}}`,
      `{"10.0.0.1": {"rules": {"excludeOutboundPorts": [${key}]}}}`,
      `{"10.0.0.1": {"rules": ${key}}}`,
    ];
    for (const text of texts) {
      const error = thrown(() => parsePods(text, '/etc/pods.json'));
      assert.ok(error instanceof PodFileError, text);
      assertHarmless(error);
    }
    const folder = mkdtempSync(join(tmpdir(), 'merbridge-hostile-'));
    try {
      const path = join(folder, 'pods.json');
      writeFileSync(path, texts[1]!);
      const source = new WatchedFile(path);
      const told = new Promise<Error>(resolve => {
        source.on('error', resolve);
      });
      source.start();
      assertHarmless(await told);
      await source.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('has one form: escapes, quotes, and its length where it is cut', () => {
    assert.equal(printable('a\tb\r\n\u001b[0m\u009b\u202e€😀\\n'), 'a\\tb\\r\\n\\u001b[0m\\u009b\\u202e€😀\\n');
    assert.equal(printable('abcdef', 3), 'abc… (6 characters)');
    assert.equal(printable('a😀', 2), 'a\\ud83d… (3 characters)');
    assert.equal(quoted('a"\\\u0000\u0085', 80), '"a\\"\\\\\\u0000\\u0085"');
    assert.deepEqual([quoted(7), quoted(null), quoted([1])], ['7', 'a value of type null', 'a value of type object']);
    assert.deepEqual(
      [shown(undefined), shown([]), shown({}), shown(null)],
      ['undefined', 'a list', 'an object', 'null'],
    );
  });
});
