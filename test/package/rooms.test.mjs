// Holds the rule that holds the rooms: each kind of forbidden import must be reported. Run by `npm run lint`.
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RuleTester } from 'eslint';
import tseslint from 'typescript-eslint';

import plugin from '../../scripts/eslint-rooms.mjs';

RuleTester.describe = describe;
RuleTester.it = it;

const root = join(import.meta.dirname, '../..');
const tester = new RuleTester({ languageOptions: { parser: tseslint.parser } });
const allowed = (file, code) => ({ name: `${file}: ${code}`, code, filename: join(root, file) });
const refused = (file, code, reason) => ({
  ...allowed(file, code),
  errors: [reason === undefined ? { messageId: 'surface' } : { message: reason }],
});

tester.run('rooms/imports', plugin.rules.imports, {
  valid: [
    allowed('src/errors/a.ts', "import { inspect } from 'node:util'; import './brand';"),
    allowed('src/codec/a.ts', "import { BpfError } from '../errors';"),
    allowed('src/native/a.ts', "const ffi = require('ffi-napi') as typeof import('ffi-napi');"),
    allowed(
      'src/bpf/maps/a.ts',
      "import { u32 } from '../../codec'; import { call } from '../../native'; import '../fd';",
    ),
    allowed('src/mesh/a.ts', "import { Cgroup } from '../bpf'; import { TypedEmitter } from 'tiny-typed-emitter';"),
    allowed(
      'src/kubernetes/a.ts',
      "import { MeshAccelerator } from '../mesh'; import { Watch } from '@kubernetes/client-node';",
    ),
    allowed('src/policy/a.ts', "import { u32 } from '../codec'; import { TypedEmitter } from 'tiny-typed-emitter';"),
    allowed('src/kubernetes/a.ts', "import { SteadyEmitter } from '../policy';"),
    allowed('src/metrics/a.ts', "import type { MeshCounters } from '../mesh'; import { BpfError } from '../errors';"),
    allowed('src/index.ts', "export * from './errors'; export { u32 } from './codec';"),
    allowed('examples/a.ts', "import { MeshAccelerator } from 'merbridge'; import { helper } from './helper';"),
    allowed('test/unit/a.test.ts', "import { call } from '../../src/native';"),
  ],
  invalid: [
    refused('src/errors/a.ts', "import { u32 } from '../codec';", 'src/errors imports no other room, not src/codec'),
    refused('src/codec/a.ts', "import type { Fd } from '../bpf';", 'src/codec imports only src/errors, not src/bpf'),
    refused(
      'src/native/a.ts',
      "export { u32 } from '../codec/integers';",
      'src/native imports only src/errors, not src/codec/integers',
    ),
    refused(
      'src/bpf/maps/a.ts',
      "export * from '../../mesh';",
      'src/bpf imports only src/native, src/checks, src/codec, src/errors, not src/mesh',
    ),
    refused(
      'src/policy/a.ts',
      "import type { Pod } from '../mesh';",
      'src/policy imports only src/checks, src/codec, src/errors, not src/mesh',
    ),
    refused(
      'src/policy/a.ts',
      "import { mbProfile } from '../mesh/abi/structs';",
      'src/policy imports only src/checks, src/codec, src/errors, not src/mesh/abi/structs',
    ),
    refused(
      'src/codec/a.ts',
      "import { podAddress } from '../policy';",
      'src/codec imports only src/errors, not src/policy',
    ),
    refused(
      'src/mesh/a.ts',
      "import { call } from '../native';",
      'src/mesh imports only src/bpf, src/policy, src/checks, src/codec, src/errors, not src/native',
    ),
    refused(
      'src/mesh/a.ts',
      "const late = import('../native');",
      'src/mesh imports only src/bpf, src/policy, src/checks, src/codec, src/errors, not src/native',
    ),
    refused(
      'src/mesh/a.ts',
      "const late = require('../native');",
      'src/mesh imports only src/bpf, src/policy, src/checks, src/codec, src/errors, not src/native',
    ),
    refused(
      'src/mesh/a.ts',
      "import late = require('../native');",
      'src/mesh imports only src/bpf, src/policy, src/checks, src/codec, src/errors, not src/native',
    ),
    refused(
      'src/mesh/a.ts',
      "type T = import('../native').T;",
      'src/mesh imports only src/bpf, src/policy, src/checks, src/codec, src/errors, not src/native',
    ),
    refused(
      'src/mesh/a.ts',
      "import { Controller } from '../kubernetes';",
      'src/mesh imports only src/bpf, src/policy, src/checks, src/codec, src/errors, not src/kubernetes',
    ),
    refused(
      'src/mesh/a.ts',
      "import '../metrics';",
      'src/mesh imports only src/bpf, src/policy, src/checks, src/codec, src/errors, not src/metrics',
    ),
    refused(
      'src/metrics/a.ts',
      "import { register } from 'prom-client';",
      'nothing in src imports prom-client: its user passes the registry',
    ),
    refused(
      'src/mesh/a.ts',
      "import '..';",
      'src/mesh imports only src/bpf, src/policy, src/checks, src/codec, src/errors, not src',
    ),
    refused('src/mesh/a.ts', "import 'merbridge';", 'src does not import itself by the name of the package'),
    refused('src/mesh/a.ts', "import { bed } from '../../test/bed';", 'src imports nothing outside of src'),
    refused('src/bpf/a.ts', "import type { Pointer } from 'ref-napi';", 'only src/native imports ref-napi'),
    refused(
      'src/mesh/a.ts',
      "import { Watch } from '@kubernetes/client-node';",
      'only src/kubernetes imports @kubernetes/client-node',
    ),
    refused(
      'bench/a.ts',
      "import bindings from 'ffi-napi/lib/bindings';",
      'only src/native imports ffi-napi/lib/bindings',
    ),
    refused('test/unit/a.test.ts', "import 'ref-struct-di';", 'only src/native imports ref-struct-di'),
    refused(
      'examples/a.ts',
      "import { u32 } from '../src';",
      "an example imports the package by its name, 'merbridge', as a user would",
    ),
    refused(
      'src/new/a.ts',
      "import { BpfError } from '../errors';",
      'src/new is not a room that scripts/eslint-rooms.mjs knows',
    ),
    refused('src/index.ts', 'export const version = 1;'),
    refused('src/index.ts', "import { u32 } from './codec';"),
  ],
});
