/**
 * Reporter of `node --test` for scripts/test.sh: a line of totals, a line for each test that was skipped, and how long
 * the tests of each file took.
 */
const TOTAL = /^(pass|fail|cancelled|skipped|todo) (\d+)$/;

export default async function* totals(events) {
  const counts = { pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
  const unrun = [];
  const files = new Map();
  let isComplete = false;
  for await (const { type, data } of events) {
    // The runner's own totals belong to no file. What tests print does.
    const [, name, count] =
      type === 'test:diagnostic' && data.file === undefined ? (TOTAL.exec(data.message) ?? []) : [];
    if (name !== undefined) {
      counts[name] = Number(count);
      isComplete = true;
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.skip !== undefined || data.todo !== undefined) unrun.push(`${data.name}: ${data.skip ?? data.todo}`);
    if (data.nesting === 0 && data.file !== undefined)
      files.set(data.file, (files.get(data.file) ?? 0) + data.details.duration_ms);
  }
  if (!isComplete) return;
  yield `totals ${counts.pass} ${counts.fail + counts.cancelled} ${counts.skipped + counts.todo}\n`;
  for (const each of unrun) yield `unrun ${each.replaceAll('\n', ' ')}\n`;
  for (const [file, duration] of files) yield `file ${(duration / 1000).toFixed(1)} ${file}\n`;
}
