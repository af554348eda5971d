/**
 * Doc comments can be taken at their word: examples compile, every parameter is named, errors have their codes.
 * scripts/documented-rooms.json lists the rooms that are held to all of it; eslint reads the same list.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as ts from 'typescript';

import { typeErrors } from '../fixtures/type-errors';

const ROOT = join(__dirname, '..', '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const rooms = JSON.parse(read('scripts/documented-rooms.json')) as string[];
const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => `src/${name}`);
const isDocumented = (path: string): boolean => rooms.some(room => path.startsWith(`${room}/`));

/** The doc comments of a file as text, without the asterisks. */
function comments(path: string): string[] {
  return [...read(path).matchAll(/^ *\/\*\*([\s\S]*?)\*\/$/gm)].map(([, text]) => text!.replace(/^ *\* ?/gm, ''));
}

test('every example of a doc comment compiles', () => {
  const blocks = new Map<string, string>();
  for (const path of sources) {
    for (const text of comments(path)) {
      for (const [, code] of text.matchAll(/^```ts\n([\s\S]*?)^```/gm)) blocks.set(`${path}.${blocks.size}`, code!);
    }
  }
  assert.ok(blocks.size > 50, `${blocks.size} examples`);
  assert.deepEqual(typeErrors(blocks), []);
});

test('@throws names a class, its code and a condition', () => {
  const codes = new Map([['BpfError', 'ERR_BPF_SYSTEM_CALL']]);
  for (const path of sources) {
    for (const [, name, code] of read(path).matchAll(/^export class (\w+)[^{]* \{[^}]*? readonly code: '(\w+)';/gm))
      codes.set(name!, code!);
  }
  assert.ok(codes.size > 20, `${codes.size} classes`);
  const wrong: string[] = [];
  for (const path of sources.filter(isDocumented)) {
    for (const [, tag] of comments(path)
      .join('\n')
      .matchAll(/^@throws ([^@`]*(?:`[^`]*`[^@`]*)*)/gm)) {
      const text = tag!.replace(/\s+/g, ' ');
      const name = /^\w*Error\b/.exec(text)?.[0] ?? '';
      const code = codes.get(name);
      const isNamed = code === undefined ? name !== '' : text.startsWith(`${name} (\`${code}\`) `);
      if (!isNamed || !/ if /.test(text)) wrong.push(`${path}: @throws ${text}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** Every declaration that a program can reach from an entry point, once. */
function publicDeclarations(): ts.Declaration[] {
  const entries = ['index', 'bpf/index', 'kubernetes/index', 'metrics/index'].map(name => join(ROOT, `src/${name}.ts`));
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile) as { config: object };
  const program = ts.createProgram(entries, ts.parseJsonConfigFileContent(config, ts.sys, ROOT).options);
  const checker = program.getTypeChecker();
  const resolve = (symbol: ts.Symbol | undefined): readonly ts.Declaration[] => {
    if (symbol === undefined) return [];
    return (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol).declarations ?? [];
  };
  const found = new Set<ts.Declaration>();
  const add = (declaration: ts.Declaration): void => {
    const flags = ts.getCombinedModifierFlags(declaration);
    const isHidden =
      (flags & ts.ModifierFlags.Private) !== 0 ||
      ts.getJSDocTags(declaration).some(({ tagName }) => tagName.text === 'internal') ||
      (ts.isClassElement(declaration) && declaration.name !== undefined && ts.isPrivateIdentifier(declaration.name));
    if (isHidden || found.has(declaration)) return;
    found.add(declaration);
    if (ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)) {
      declaration.members.forEach(add);
      for (const { types } of declaration.heritageClauses ?? [])
        for (const { expression } of types) resolve(checker.getSymbolAtLocation(expression)).forEach(add);
    }
  };
  for (const entry of entries) {
    for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)!)!))
      resolve(symbol).forEach(add);
  }
  return [...found].filter(
    declaration =>
      isDocumented(declaration.getSourceFile().fileName.slice(ROOT.length + 1)) &&
      !(ts.isConstructorDeclaration(declaration) && isProtected(declaration)) &&
      !isImplementation(declaration),
  );
}

/** What a declaration lacks in its doc comment. */
function missing(declaration: ts.Declaration): string[] {
  const tags = ts.getJSDocTags(declaration).map(({ tagName }) => tagName.text);
  const lacks: string[] = [];
  if (!ts.getJSDocCommentsAndTags(declaration).some(node => ts.isJSDoc(node) && node.comment !== undefined))
    lacks.push('a description');
  if (ts.isClassDeclaration(declaration) && !tags.includes('example')) lacks.push('@example');
  if (!ts.isFunctionLike(declaration) || ts.isAccessor(declaration)) return lacks;
  for (const parameter of declaration.parameters) {
    const tag = ts.getJSDocParameterTags(parameter)[0];
    if (tag?.comment === undefined) lacks.push(`@param ${parameter.name.getText()}`);
  }
  const returns = declaration.type?.getText() ?? 'void';
  if (!['void', 'Promise<void>'].includes(returns) && !tags.includes('returns')) lacks.push('@returns');
  return lacks;
}

const isProtected = (node: ts.Declaration): boolean =>
  (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Protected) !== 0;

/** Whether another declaration of the same member has its doc comment: the signatures of overloads. */
function isImplementation(node: ts.Declaration): boolean {
  if (!ts.isClassElement(node) || !ts.isClassDeclaration(node.parent)) return false;
  const others = node.parent.members.filter(each => each !== node && each.name?.getText() === node.name?.getText());
  return ts.isMethodDeclaration(node) && node.body !== undefined && others.length > 0;
}

/** Numbers for people, printed with the test. */
function summary(declarations: readonly ts.Declaration[]): string {
  const has = (node: ts.Node, tag: string): boolean => ts.getJSDocTags(node).some(each => each.tagName.text === tag);
  const share = (nodes: readonly ts.Node[], test: (node: ts.Node) => boolean): string =>
    `${nodes.filter(test).length} of ${nodes.length}`;
  const functions = declarations.filter(node => ts.isFunctionLike(node) && !ts.isAccessor(node));
  const parameters = functions.flatMap(node => (ts.isFunctionLike(node) ? [...node.parameters] : []));
  return [
    `@param: ${share(parameters, node => ts.getJSDocParameterTags(node as ts.ParameterDeclaration).length > 0)} parameters`,
    `@throws: ${share(functions, node => has(node, 'throws'))} functions`,
    `@example: ${share(declarations.filter(ts.isClassDeclaration), node => has(node, 'example'))} classes`,
  ].join('; ');
}

test('every public name of the documented rooms has a complete doc comment', t => {
  const declarations = publicDeclarations();
  t.diagnostic(summary(declarations));
  assert.ok(declarations.length > 400, `${declarations.length} declarations`);
  const incomplete = declarations.flatMap(declaration => {
    const file = declaration.getSourceFile();
    const line = file.getLineAndCharacterOfPosition(declaration.getStart()).line + 1;
    return missing(declaration).map(what => `${file.fileName.slice(ROOT.length + 1)}:${line} lacks ${what}`);
  });
  assert.deepEqual(incomplete, []);
});
