#!/usr/bin/env node
// What each entry point of the package exports, with its declaration as users compile it: api/<entry>.md, from dist/.
// Committed, so that a review sees a change of it. `npm run api` writes the reports; --check fails where one is not
// what dist/ says.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const printer = ts.createPrinter({ removeComments: true });

/** A declaration without comments, and without what only the library sees: private members. */
function print(declaration) {
  const isPrivate = member =>
    member.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) ||
    (member.name && ts.isPrivateIdentifier(member.name));
  const whole = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  const shown = ts.isClassDeclaration(whole)
    ? ts.factory.updateClassDeclaration(
        whole,
        whole.modifiers,
        whole.name,
        whole.typeParameters,
        whole.heritageClauses,
        whole.members.filter(member => ts.isConstructorDeclaration(member) || !isPrivate(member)),
      )
    : whole;
  return printer.printNode(ts.EmitHint.Unspecified, shown, declaration.getSourceFile());
}

function report(program, entry, types) {
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(join(root, types)));
  const exported = checker.getExportsOfModule(module).sort((a, b) => (a.name < b.name ? -1 : 1));
  const parts = exported.map(alias => {
    const symbol = alias.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(alias) : alias;
    const isTypeOnly = alias.declarations.some(
      one => ts.isExportSpecifier(one) && (one.isTypeOnly || one.parent.parent.isTypeOnly),
    );
    return [
      `## ${alias.name}${isTypeOnly && symbol.flags & ts.SymbolFlags.Class ? ' (type only)' : ''}`,
      '',
      '```ts',
      ...symbol.declarations.map(print),
      '```',
      '',
    ].join('\n');
  });
  return `# ${entry}: ${exported.length} names\n\nWritten by \`npm run api\`. Not edited by hand.\n\n${parts.join('\n')}`;
}

const entries = Object.entries(manifest.exports).flatMap(([path, { types }]) =>
  types ? [{ name: path === '.' ? 'merbridge' : `merbridge${path.slice(1)}`, types }] : [],
);
const program = ts.createProgram(
  entries.map(({ types }) => join(root, types)),
  { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 },
);
const reports = new Map(
  entries.map(({ name, types }) => [`${name.replace('/', '-')}.md`, report(program, name, types)]),
);

const folder = join(root, 'api');
if (process.argv.includes('--check')) {
  const stale = [...reports]
    .filter(([file, text]) => !existsSync(join(folder, file)) || readFileSync(join(folder, file), 'utf8') !== text)
    .map(([file]) => file);
  stale.push(...readdirSync(folder).filter(file => !reports.has(file)));
  for (const file of stale)
    console.error(
      `api/${file} is not what the sources export: run \`npm run api\`, and commit it if the change is meant`,
    );
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of reports) writeFileSync(join(folder, file), text);
}
