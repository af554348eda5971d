import { readFileSync } from 'node:fs';

import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import jsdoc from 'eslint-plugin-jsdoc';
import globals from 'globals';
import tseslint from 'typescript-eslint';

import rooms from './scripts/eslint-rooms.mjs';

const typescript = ['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'];
const scripts = ['**/*.mjs', '**/*.cjs', '**/*.js'];

/** Rooms whose doc comments are complete. test/unit/doc-comments.test.ts holds what no rule can: see there. */
const documented = JSON.parse(readFileSync(new URL('scripts/documented-rooms.json', import.meta.url), 'utf8'));

/** Exported functions, and what a user can call of exported classes and interfaces. */
const callable = [
  ...['FunctionDeclaration', 'TSDeclareFunction'].map(kind => `ExportNamedDeclaration > ${kind}`),
  ...['MethodDefinition', 'TSAbstractMethodDefinition'].map(
    kind =>
      `ExportNamedDeclaration > ClassDeclaration > ClassBody > ${kind}:not([accessibility='private'], [key.type='PrivateIdentifier'])`,
  ),
  'ExportNamedDeclaration > TSInterfaceDeclaration > TSInterfaceBody > TSMethodSignature',
];

export default defineConfig(
  { ignores: ['dist/', 'docs/api/', 'node_modules/', '.venv/', '.cache/', 'test/package/consumer/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },

  js.configs.recommended,
  {
    files: scripts,
    languageOptions: { globals: globals.node },
  },

  // What needs no types, everywhere.
  ...tseslint.configs.strict.map(config => ({ ...config, files: typescript })),
  {
    files: typescript,
    languageOptions: { parserOptions: { project: './tsconfig.test.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: ['error', 'always'],
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      // What a formatter leaves: comments. A text that somebody may search for stays in one piece.
      'max-len': [
        'error',
        { code: 120, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true, ignoreUrls: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      // An index inside of bounds that the line before has checked; noUncheckedIndexedAccess asks for the rest.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',

      // With types: the mistakes that cost a resource or an error.
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-array-delete': 'error',
      '@typescript-eslint/no-base-to-string': 'error',
      '@typescript-eslint/no-deprecated': 'error',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] },
          ],
        },
      ],
      '@typescript-eslint/no-for-in-array': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/require-await': 'error',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    // Tests also do what a program must not: wrong types, modules loaded twice.
    files: ['test/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/no-dynamic-delete': 'off',
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-require-imports': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    // What is started from here ends with the process that started it.
    files: ['test/{bed,fixtures,kernel,kube,node}/**/*.ts', 'bench/**/*.ts'],
    ignores: ['test/bed/children.ts', 'test/bed/shell.ts'],
    rules: {
      'no-restricted-imports': 'off',
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: [{ name: 'node:child_process', message: 'take it from test/bed/children', allowTypeImports: true }],
        },
      ],
    },
  },
  {
    // Loads the addon when it is first needed, and reports what then goes wrong.
    files: ['src/native/**/*.ts'],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },

  { files: [...typescript, ...scripts], plugins: { rooms }, rules: { 'rooms/imports': 'error' } },

  {
    // typedoc holds that every exported name is described; this holds how.
    files: ['src/**/*.ts'],
    plugins: { jsdoc },
    settings: { jsdoc: { mode: 'typescript', ignoreInternal: true, tagNamePreference: { template: 'typeParam' } } },
    rules: {
      'jsdoc/require-jsdoc': [
        'error',
        {
          publicOnly: { esm: true, cjs: false, window: false },
          require: { ClassDeclaration: true, FunctionDeclaration: true },
          contexts: ['TSInterfaceDeclaration', 'TSTypeAliasDeclaration', 'TSEnumDeclaration'],
          checkConstructors: false,
        },
      ],
      'jsdoc/require-description': [
        'error',
        {
          contexts: [
            'ClassDeclaration',
            'FunctionDeclaration',
            'TSInterfaceDeclaration',
            'TSTypeAliasDeclaration',
            'TSPropertySignature',
            'TSMethodSignature',
            'PropertyDefinition',
            'VariableDeclaration',
            "MethodDefinition:not([kind='constructor'])",
          ],
        },
      ],
      'jsdoc/check-alignment': 'error',
      'jsdoc/check-param-names': ['error', { checkDestructured: false, disableMissingParamChecks: true }],
      'jsdoc/check-tag-names': ['error', { definedTags: ['packageDocumentation', 'remarks', 'category', 'group'] }],
      'jsdoc/no-types': 'error',
      'jsdoc/require-param-description': 'error',
      'jsdoc/require-returns-description': 'error',
    },
  },

  {
    files: documented.map(room => `${room}/**/*.ts`),
    plugins: { jsdoc },
    rules: {
      'jsdoc/require-param': [
        'error',
        { contexts: callable.map(each => `${each}:not([kind='set'])`), checkDestructured: false },
      ],
      'jsdoc/require-returns': ['error', { contexts: callable.map(each => `${each}:not([kind='get'])`) }],
      'jsdoc/require-throws': ['error', { contexts: callable }],
    },
  },
);
