import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Btf, elfSections, elfVariables, structLayout } from '../../src/codec';
import { ObjectFileError } from '../../src/errors';

/** Collects texts and gives their offsets. */
class Strings {
  bytes = Buffer.from([0]);
  at(text: string): number {
    if (text === '') return 0;
    const offset = this.bytes.length;
    this.bytes = Buffer.concat([this.bytes, Buffer.from(`${text}\0`)]);
    return offset;
  }
}

function words(...values: number[]): Buffer {
  const buf = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => buf.writeUInt32LE(value >>> 0, i * 4));
  return buf;
}

const info = (kind: number, count = 0, flag = 0): number => ((flag << 31) | (kind << 24) | count) >>> 0;

/** Types: 1 int, 2 unsigned char, 3 array of 16 of 2, 4 struct, 5 const 1, 6 volatile 5, 7 var, 8 typedef of 4. */
function sample(): Buffer {
  const s = new Strings();
  const types = Buffer.concat([
    words(s.at('int'), info(1), 4, (1 << 24) | 32),
    words(s.at('unsigned char'), info(1), 1, 8),
    words(0, info(3), 0, 2, 1, 16),
    words(s.at('pair'), info(4, 3), 24, s.at('ip'), 3, 0, s.at('port'), 1, 128, s.at('last'), 2, 160),
    words(0, info(10), 1),
    words(0, info(9), 5),
    words(s.at('limit'), info(14), 6, 1),
    words(s.at('pair_t'), info(8), 4),
    words(s.at('flags'), info(4, 2, 1), 4, s.at('low'), 1, (4 << 24) | 0, s.at('high'), 1, (4 << 24) | 8),
  ]);
  const header = Buffer.alloc(24);
  header.writeUInt16LE(0xeb9f, 0);
  header.writeUInt8(1, 2);
  header.writeUInt32LE(24, 4);
  header.writeUInt32LE(0, 8);
  header.writeUInt32LE(types.length, 12);
  header.writeUInt32LE(types.length, 16);
  header.writeUInt32LE(s.bytes.length, 20);
  return Buffer.concat([header, types, s.bytes]);
}

/** An object file with two sections beside the tables: .BTF and .rodata, and one variable. */
function elf(btf: Buffer): Buffer {
  const names = new Strings();
  const symbols = new Strings();
  const symbol = Buffer.alloc(48);
  symbol.writeUInt32LE(symbols.at('limit'), 24);
  symbol.writeUInt8(0x11, 28);
  symbol.writeUInt16LE(2, 30);
  symbol.writeBigUInt64LE(4n, 32);
  symbol.writeBigUInt64LE(4n, 40);
  const list: Array<[string, number, Buffer, number]> = [
    ['', 0, Buffer.alloc(0), 0],
    ['.BTF', 1, btf, 0],
    ['.rodata', 1, words(1, 2), 0],
    ['.symtab', 2, symbol, 4],
    ['.strtab', 3, symbols.bytes, 0],
    ['.shstrtab', 3, Buffer.alloc(0), 0],
  ];
  const nameOffsets = list.map(([name]) => names.at(name));
  list[5]![2] = names.bytes;
  const parts: Buffer[] = [Buffer.alloc(64)];
  let at = 64;
  const headers = list.map(([, type, data, link], i) => {
    const header = Buffer.alloc(64);
    header.writeUInt32LE(nameOffsets[i]!, 0);
    header.writeUInt32LE(type, 4);
    header.writeBigUInt64LE(BigInt(at), 24);
    header.writeBigUInt64LE(BigInt(data.length), 32);
    header.writeUInt32LE(link, 40);
    parts.push(data);
    at += data.length;
    return header;
  });
  const file = Buffer.concat([...parts, ...headers]);
  file.writeUInt32BE(0x7f454c46, 0);
  file.writeUInt8(2, 4);
  file.writeUInt8(1, 5);
  file.writeUInt16LE(247, 18);
  file.writeBigUInt64LE(BigInt(at), 40);
  file.writeUInt16LE(64, 58);
  file.writeUInt16LE(list.length, 60);
  file.writeUInt16LE(5, 62);
  return file;
}

describe('Btf', () => {
  it('gives the layout of a struct, by its name or that of a typedef', () => {
    const btf = Btf.parse(sample());
    const members = [
      { name: 'ip', offset: 0, size: 16 },
      { name: 'port', offset: 16, size: 4 },
      { name: 'last', offset: 20, size: 1 },
    ];
    assert.deepEqual(btf.struct('pair'), { name: 'pair', size: 24, members });
    assert.deepEqual(btf.struct('pair_t'), { name: 'pair_t', size: 24, members });
    assert.throws(() => btf.struct('int'), RangeError);
    assert.throws(() => btf.struct('nothing'), /no struct "nothing"/);
  });

  it('reads bit fields', () => {
    assert.deepEqual(
      Btf.parse(sample())
        .struct('flags')
        .members.map(({ offset }) => offset),
      [0, 1],
    );
  });

  it('follows qualifiers of variables', () => {
    assert.deepEqual(Btf.parse(sample()).variable('limit'), { size: 4, signed: true });
    assert.equal(Btf.parse(sample()).variable('nothing'), undefined);
  });

  it('refuses what is damaged, and never reads outside', () => {
    const good = sample();
    assert.throws(() => Btf.parse(Buffer.alloc(10)), ObjectFileError);
    assert.throws(() => Btf.parse(Buffer.alloc(64)), ObjectFileError);
    for (let end = 0; end < good.length; end++) {
      assert.throws(() => Btf.parse(good.subarray(0, end)), ObjectFileError, `cut at ${end}`);
    }
    for (let i = 24; i < good.length; i++) {
      const bad = Buffer.from(good);
      bad[i] = bad[i]! ^ 0xff;
      try {
        const btf = Btf.parse(bad);
        btf.variable('limit');
        btf.struct('pair');
      } catch (error) {
        assert.ok(error instanceof ObjectFileError || error instanceof RangeError, `byte ${i}: ${String(error)}`);
      }
    }
  });
});

describe('ELF', () => {
  it('finds sections, variables and types', () => {
    const file = elf(sample());
    const sections = elfSections(file, 'sample');
    assert.deepEqual(
      sections.map(({ name }) => name),
      ['', '.BTF', '.rodata', '.symtab', '.strtab', '.shstrtab'],
    );
    assert.deepEqual(elfVariables(sections), [{ name: 'limit', section: '.rodata', offset: 4, size: 4 }]);
    assert.equal(structLayout(file, 'pair').size, 24);
  });

  it('refuses what is cut or damaged', () => {
    const file = elf(sample());
    for (let end = 0; end < file.length; end += 7) {
      assert.throws(() => elfSections(file.subarray(0, end), 'cut'), ObjectFileError, `cut at ${end}`);
    }
    for (let i = 0; i < file.length; i++) {
      const bad = Buffer.from(file);
      bad[i] = bad[i]! ^ 0xff;
      try {
        elfVariables(elfSections(bad, 'bad'));
      } catch (error) {
        assert.ok(error instanceof ObjectFileError, `byte ${i}: ${String(error)}`);
      }
    }
  });

  it('says that type information is missing', () => {
    const file = elf(sample());
    const at = file.indexOf('.BTF');
    file.write('.XYZ', at);
    assert.throws(() => structLayout(file, 'pair'), /compile it with -g/);
  });
});
