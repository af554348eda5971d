// The ESLint rule `rooms/imports`: which folder of this repository may import from which (see the table).
import { dirname, relative, resolve, sep } from 'node:path';

/** Rooms of src/ and the rooms each may import from. An arrow never points back. */
export const rooms = {
  errors: [],
  checks: ['errors'],
  codec: ['errors'],
  native: ['errors'],
  bpf: ['native', 'checks', 'codec', 'errors'],
  policy: ['checks', 'codec', 'errors'],
  mesh: ['bpf', 'policy', 'checks', 'codec', 'errors'],
  kubernetes: ['mesh', 'policy', 'checks', 'errors'],
  metrics: ['mesh', 'policy', 'checks', 'errors'],
};

/** Packages that belong to one room. */
const owners = [
  { owner: 'native', packages: /^(ffi-napi|ref-napi|ref-struct-di|ref-array-di)(\/|$)/ },
  { owner: 'kubernetes', packages: /^@kubernetes\// },
];

/** Where a file is: a room of src/, the public surface, or another top-level folder. */
function place(file) {
  const [top, second, ...rest] = file.split(sep);
  if (top !== 'src') return { top };
  if (second === 'index.ts' && rest.length === 0) return { top, surface: true };
  return { top, room: second };
}

/** The reason why `file` must not import `source`, or undefined when it may. Paths are relative to the repository. */
export function refusal(file, source) {
  const from = place(file);
  if (!source.startsWith('.')) {
    const owned = owners.find(({ packages }) => packages.test(source));
    if (from.top === 'src' && /^prom-client(\/|$)/.test(source))
      return 'nothing in src imports prom-client: its user passes the registry';
    if (owned !== undefined && from.room !== owned.owner) return `only src/${owned.owner} imports ${source}`;
    if (from.top === 'src' && /^merbridge(\/|$)/.test(source))
      return 'src does not import itself by the name of the package';
    return undefined;
  }
  const target = relative('.', resolve(dirname(file), source));
  const to = place(target);
  if (from.top === 'examples') {
    return to.top === 'examples'
      ? undefined
      : "an example imports the package by its name, 'merbridge', as a user would";
  }
  if (from.top !== 'src' || from.surface) return undefined;
  if (to.top !== 'src') return 'src imports nothing outside of src';
  if (to.room === from.room) return undefined;
  const allowed = rooms[from.room];
  if (allowed === undefined) return `src/${from.room} is not a room that scripts/eslint-rooms.mjs knows`;
  if (allowed.includes(to.room)) return undefined;
  const list = allowed.length === 0 ? 'no other room' : `only ${allowed.map(room => `src/${room}`).join(', ')}`;
  return `src/${from.room} imports ${list}, not ${target}`;
}

const imports = {
  meta: {
    type: 'problem',
    docs: { description: 'hold the import rules between the rooms of this repository' },
    messages: { refused: '{{reason}}', surface: 'src/index.ts only re-exports' },
    schema: [],
  },
  create(context) {
    const file = relative(context.cwd, context.filename);
    const check = node => {
      const source = node?.type === 'TSLiteralType' ? node.literal.value : node?.value;
      if (typeof source !== 'string') return;
      const reason = refusal(file, source);
      if (reason !== undefined) context.report({ node, messageId: 'refused', data: { reason } });
    };
    return {
      ImportDeclaration: node => check(node.source),
      ExportAllDeclaration: node => check(node.source),
      ExportNamedDeclaration: node => check(node.source),
      ImportExpression: node => check(node.source),
      TSImportType: node => check(node.source ?? node.argument),
      TSExternalModuleReference: node => check(node.expression),
      "CallExpression[callee.name='require']": node => check(node.arguments[0]),
      Program(node) {
        if (!place(file).surface) return;
        for (const statement of node.body) {
          const reExport = /^Export(All|Named)Declaration$/.test(statement.type) && statement.source;
          if (!reExport) context.report({ node: statement, messageId: 'surface' });
        }
      },
    };
  },
};

export default { meta: { name: 'rooms' }, rules: { imports } };
