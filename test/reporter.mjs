/**
 * Reporter of `node --test` for scripts/test.sh: a line of totals, a line for each test that was skipped, how long the
 * tests of each file took, and for each failed test its file, its name and the beginning of its error.
 */
import { relative, resolve } from 'node:path';
import { inspect } from 'node:util';

const TOTAL = /^(pass|fail|cancelled|skipped|todo) (\d+)$/;
const ERROR_LINES = 30;
const LINE_LENGTH = 500;

/** The error that the test threw: the runner wraps it. Where a file failed as a whole there is none. */
function reason(error, said = '') {
  if (typeof error.cause === 'string') {
    const { exitCode, signal } = error;
    const how = signal ? [`killed by ${signal}`] : exitCode ? [`exit code ${exitCode}`] : [];
    return [error.cause, ...how, ...said.trimEnd().split('\n').filter(Boolean)];
  }
  const text = inspect(error.cause ?? error, { colors: false });
  const lines = text.split('\n').filter(line => !/^ +at .*\(?node:internal\//.test(line));
  return lines.length > ERROR_LINES ? [...lines.slice(0, ERROR_LINES), '…'] : lines;
}

export default async function* totals(events) {
  const counts = { pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
  const unrun = [];
  /** Files of which no test came to an end. */
  let empty = 0;
  const failures = [];
  const files = new Map();
  /** What the process of a file said last: why it could not begin, or why it died. */
  const said = new Map();
  /** The test that runs, after those that it is part of. */
  let path = [];
  let isComplete = false;
  for await (const { type, data } of events) {
    // The runner's own totals belong to no file. What tests print does.
    const [, name, count] =
      type === 'test:diagnostic' && data.file === undefined ? (TOTAL.exec(data.message) ?? []) : [];
    if (name !== undefined) {
      counts[name] = Number(count);
      isComplete = true;
    }
    if (type === 'test:start') path = [...path.slice(0, data.nesting), data.name];
    if (type === 'test:stderr') said.set(data.file, `${said.get(data.file) ?? ''}${data.message}`.slice(-2000));
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    // The runner takes the file itself for a test if none in it came to an end, and exit code 0 for a success.
    if (type === 'test:pass' && data.nesting === 0 && data.file !== undefined && resolve(data.name) === data.file) {
      empty++;
      failures.push(`${relative('', data.file)}:`, '    no test in it came to an end');
    }
    if (data.skip !== undefined || data.todo !== undefined) unrun.push(`${data.name}: ${data.skip ?? data.todo}`);
    // One that failed because of a part of it: that part says why.
    if (type === 'test:fail' && data.todo === undefined && data.details.error.failureType !== 'subtestsFailed')
      failures.push(
        `${relative('', data.file ?? '')}: ${[...path.slice(0, data.nesting), data.name].join(' > ').replaceAll('\n', ' ')}`,
        ...reason(data.details.error, said.get(data.file)).map(line => `    ${line.slice(0, LINE_LENGTH)}`),
      );
    if (data.nesting === 0 && data.file !== undefined)
      files.set(data.file, (files.get(data.file) ?? 0) + data.details.duration_ms);
  }
  for (const line of failures) yield `failure ${line}\n`;
  if (!isComplete) return;
  yield `totals ${counts.pass - empty} ${counts.fail + counts.cancelled + empty} ${counts.skipped + counts.todo}\n`;
  for (const each of unrun) yield `unrun ${each.replaceAll('\n', ' ')}\n`;
  for (const [file, duration] of files) yield `file ${(duration / 1000).toFixed(1)} ${file}\n`;
}
