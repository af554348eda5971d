import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { ownedDirectory } from '../bed/owned';
import { ROOT } from '../fixtures/compile';
import { DAEMONSET } from './manifests';

/**
 * The agent as its image has it: compiled to JavaScript, beside a `node_modules` with the library and prom-client.
 *
 * What of the library runs is `dist/`.
 */
export class AgentImage implements Disposable {
  /** The working directory of the image. */
  readonly path = ownedDirectory('agent');
  readonly #end = (): void => rmSync(this.path, { recursive: true, force: true });

  constructor() {
    process.on('exit', this.#end);
    chmodSync(this.path, 0o755); // another user may have to read it
    for (const name of readdirSync(DAEMONSET)) {
      if (!name.endsWith('.ts')) continue;
      const { outputText } = ts.transpileModule(readFileSync(join(DAEMONSET, name), 'utf8'), {
        fileName: name,
        compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS, esModuleInterop: true },
      });
      writeFileSync(join(this.path, name.replace(/\.ts$/, '.js')), outputText);
    }
    const modules = join(this.path, 'node_modules');
    mkdirSync(modules);
    symlinkSync(ROOT, join(modules, 'merbridge'));
    symlinkSync(join(ROOT, 'node_modules/prom-client'), join(modules, 'prom-client'));
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#end);
    this.#end();
  }
}

/** The command of the image, from its Dockerfile. */
export function imageCommand(): string[] {
  const command = /^CMD (\[.*\])$/m.exec(readFileSync(join(DAEMONSET, 'Dockerfile'), 'utf8'))?.[1];
  if (command === undefined) throw new Error('the Dockerfile has no CMD in JSON');
  return JSON.parse(command) as string[];
}

/** The environment of the image, from its Dockerfile. */
export function imageEnvironment(): Record<string, string> {
  const text = readFileSync(join(DAEMONSET, 'Dockerfile'), 'utf8').replace(/\\\n/g, ' ');
  const lines = [...text.matchAll(/^ENV (.*)$/gm)].map(match => match[1]!);
  return Object.fromEntries(
    lines.flatMap(line => [...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!])),
  );
}
