// Removes from dist/ what tsc wrote for a source that is gone: tsc never deletes, and dist/ is what the package ships.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const outputs = /(\.d\.ts|\.js)(\.map)?$/;

for (const path of readdirSync(join(root, 'dist'), { recursive: true })) {
  if (outputs.test(path) && !existsSync(join(root, 'src', path.replace(outputs, '.ts')))) {
    rmSync(join(root, 'dist', path), { force: true });
    console.log(`prune-dist: dist/${path} has no source any more`);
  }
}
