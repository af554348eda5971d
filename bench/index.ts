/** `npm run bench -- NAME`: the measurements behind the figures of the README. (`npm run demo` is the one that compares with iptables.) */
import { figures } from './figures';

const benches: Readonly<Record<string, () => void>> = { figures };
const bench = benches[process.argv[2] ?? ''];
if (bench) {
  bench();
} else {
  console.error(`npm run bench -- NAME, where NAME is one of: ${Object.keys(benches).join(', ')}`);
  process.exitCode = 1;
}
