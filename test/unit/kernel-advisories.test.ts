import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { KernelAdvisoryError } from '../../src/errors';
import { kernelAdvisories } from '../../src/mesh/kernel-advisories';

const ids = (release: string, version?: string): string[] =>
  kernelAdvisories(release, version).map(({ id }) => id.slice('CVE-'.length));
const [CLOSE_ITSELF, CLOSE, REPLACE, BACKLOG, LINEARIZE] = [
  '2023-52735',
  '2024-39500',
  '2024-56664',
  '2025-38154',
  '2025-38165',
] as const;

describe('known faults of a kernel', () => {
  const mainline: ReadonlyArray<[release: string, expected: readonly string[]]> = [
    ['5.10.235', [CLOSE_ITSELF, REPLACE]],
    ['5.15.94', [CLOSE_ITSELF, CLOSE, REPLACE]],
    ['5.15.95', [CLOSE, REPLACE]],
    ['5.15.161', [CLOSE, REPLACE]],
    ['5.15.162', [REPLACE, BACKLOG]],
    ['5.15.179', [REPLACE, BACKLOG]],
    ['5.15.180', [BACKLOG]],
    ['5.15.185', [BACKLOG]],
    ['5.15.186', []],
    ['6.1.124', [REPLACE, BACKLOG, LINEARIZE]],
    ['6.1.125', [BACKLOG, LINEARIZE]],
    ['6.1.141', [BACKLOG, LINEARIZE]],
    ['6.1.142', []],
    ['6.6.66', [REPLACE, BACKLOG, LINEARIZE]],
    ['6.6.67', [BACKLOG, LINEARIZE]],
    ['6.6.93', [BACKLOG, LINEARIZE]],
    ['6.6.94', []],
    ['6.12.5', [REPLACE, BACKLOG, LINEARIZE]],
    ['6.12.6', [BACKLOG, LINEARIZE]],
    ['6.12.33', [BACKLOG, LINEARIZE]],
    ['6.12.34', []],
    ['6.13.0', [BACKLOG, LINEARIZE]],
    ['6.15.2', [BACKLOG, LINEARIZE]],
    ['6.15.3', []],
    ['6.16.0', []],
    ['6.16.0-rc1', []],
    ['6.18.44', []],
    ['7.1.0', []],
  ];
  for (const [release, expected] of mainline) {
    it(`${release}: ${expected.length === 0 ? 'none' : expected.join(', ')}`, () => {
      assert.deepEqual(ids(release), expected);
      assert.ok(kernelAdvisories(release).every(({ certain }) => certain));
    });
  }

  it('are mended in a release of the same series, or in a later one where the series was given up', () => {
    const fixedIn = (release: string): string[] => [
      ...new Set(kernelAdvisories(release).map(advisory => advisory.fixedIn)),
    ];
    assert.deepEqual(fixedIn('6.1.130'), ['6.1.142']);
    assert.deepEqual(fixedIn('6.12.10'), ['6.12.34']);
    assert.deepEqual(fixedIn('6.14.11'), ['6.15.3']);
    assert.deepEqual(fixedIn('6.10.14'), ['6.12.6', '6.12.34']);
  });

  it('are told by the stable number wherever it stands', () => {
    assert.deepEqual(ids('6.1.141-155.222.amzn2023.x86_64'), [BACKLOG, LINEARIZE]);
    assert.deepEqual(ids('6.6.93+'), [BACKLOG, LINEARIZE]);
    assert.deepEqual(ids('6.12.38+deb13-amd64'), []);
    assert.deepEqual(ids('6.14.0-custom'), [BACKLOG, LINEARIZE]);
    assert.deepEqual(ids('6.14'), [BACKLOG, LINEARIZE]);
  });

  it("are told by Debian's own words", () => {
    assert.deepEqual(ids('6.1.0-40-amd64', '#1 SMP PREEMPT_DYNAMIC Debian 6.1.153-1 (2025-09-20)'), []);
    const old = kernelAdvisories('6.1.0-35-amd64', '#1 SMP PREEMPT_DYNAMIC Debian 6.1.137-1 (2025-05-07)');
    assert.deepEqual(
      old.map(({ id, fixedIn, certain }) => [id, fixedIn, certain]),
      [
        ['CVE-2025-38154', '6.1.142', true],
        ['CVE-2025-38165', '6.1.142', true],
      ],
    );
  });

  it('cannot be told where a distribution counts in its own way', () => {
    for (const release of ['6.1.0-40-amd64', '6.8.0-60-generic', '5.14.0-427.13.1.el9_4.x86_64']) {
      const advisories = kernelAdvisories(release, '#63-Ubuntu SMP PREEMPT_DYNAMIC Tue Apr 15 19:04:15 UTC 2025');
      assert.ok(advisories.length > 0, release);
      assert.ok(
        advisories.every(({ certain }) => !certain),
        release,
      );
    }
    assert.deepEqual(ids('6.8.0-60-generic'), [CLOSE, REPLACE, LINEARIZE]);
    assert.deepEqual(ids('6.17.0-5-generic'), []);
  });

  it('are none where the text is no release', () => {
    for (const release of ['', 'linux', '6', 'v6.1.2']) assert.deepEqual(ids(release), []);
  });
});

describe('the warning of them', () => {
  it('names the numbers, the release with the mend, and what to do', () => {
    const { message, code, advisories } = new KernelAdvisoryError('6.14.11', kernelAdvisories('6.14.11'));
    assert.equal(code, 'ERR_BPF_KERNEL_ADVISORY');
    assert.equal(advisories.length, 2);
    assert.match(message, /^Linux 6\.14\.11 has known faults.*CVE-2025-38154 \(.*fixed in 6\.15\.3\).*CVE-2025-38165/);
    assert.match(message, /ask its distribution/);
    assert.match(message, /ignoreAdvisories/);
  });

  it('says that it cannot tell', () => {
    const { message } = new KernelAdvisoryError('6.8.0-60-generic', kernelAdvisories('6.8.0-60-generic'));
    assert.match(
      message,
      /^Linux 6\.8\.0-60-generic may have these known faults in its sockmap, its release number does not tell: /,
    );
    assert.match(message, /ask its distribution/);
  });
});
