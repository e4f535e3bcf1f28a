import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  blockDevice,
  dotted,
  filename,
  flag,
  flagWithValue,
  format,
  helpHint,
  int,
  long,
  mebibytes,
  onOff,
  optional,
  options,
  type Parameter,
  parseArgs,
  rest,
  seconds,
  size,
  string,
} from '../../../qmp/hmp/args.js';
import { HmpSyntaxError } from '../../../qmp/hmp/scanner.js';

const lastFormat = { format: 'x', size: 4 };

function parse<const P extends readonly Parameter[]>(parameters: P, text: string, command = 'cmd') {
  return parseArgs(parameters, text, {
    command,
    register: (name) => (name === 'rip' ? 0x1000n : undefined),
    lastFormat,
  });
}

/** The message for arguments that are refused. */
function refusal(parameters: readonly Parameter[], text: string): string {
  try {
    parse(parameters, text);
  } catch (error) {
    if (error instanceof HmpSyntaxError) return error.message;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

/** As much of QEMU's monitor as the recording used: names, aliases, arguments. */
const commands: Readonly<Record<string, readonly Parameter[]>> = {
  'qom-get': [string('path'), string('property')],
  'print|p': [format('fmt'), long('val')],
  'cont|c': [],
  'stop|s': [],
  'quit|q': [],
  balloon: [mebibytes('value')],
  memsave: [long('val'), int('size'), string('filename')],
  sendkey: [string('keys'), optional(int('hold-time'))],
  sum: [int('start'), int('size')],
  boot_set: [string('bootdevice')],
  commit: [blockDevice('device')],
  drive_del: [blockDevice('id')],
  nbd_server_start: [flag('all', 'a'), flag('writable', 'w'), string('uri')],
  set_link: [string('name'), onOff('up')],
  'dump-guest-memory': [
    ...['p', 'd', 'z', 'l', 's', 'w'].map((letter) => flag(letter, letter)),
    filename('filename'),
    optional(int('begin')),
    optional(int('length')),
  ],
  mce: [
    flag('broadcast', 'b'),
    int('cpu_index'),
    int('bank'),
    long('status'),
    long('mcg_status'),
    long('addr'),
    long('misc'),
  ],
  i: [format('fmt'), int('addr'), dotted(int('index'))],
  o: [format('fmt'), int('addr'), int('val')],
  expire_password: [string('protocol'), string('time'), flagWithValue('display', 'd')],
  set_password: [string('protocol'), string('password'), flagWithValue('display', 'd'), optional(string('connected'))],
  block_resize: [blockDevice('device'), size('size')],
  gva2gpa: [long('addr')],
  cpu: [int('index')],
  delvm: [string('name')],
  netdev_del: [string('id')],
  device_del: [string('id')],
  migrate_set_capability: [string('capability'), onOff('state')],
  x: [format('fmt'), long('addr')],
  'trace-event': [string('name'), onOff('option'), optional(int('vcpu'))],
  migrate: [flag('detach', 'd'), flag('blk', 'b'), flag('inc', 'i'), flag('resume', 'r'), string('uri')],
  object_add: [rest('object')],
  change: [blockDevice('device'), flag('force', 'f'), filename('target'), optional(string('arg'))],
  eject: [flag('force', 'f'), blockDevice('device')],
  savevm: [optional(string('name'))],
  announce_self: [optional(string('interfaces')), optional(string('id'))],
  'chardev-add': [string('args')],
  gdbserver: [optional(string('device'))],
  version: [],
  qtree: [],
  mtree: [flag('flatview', 'f'), flag('dispatch_tree', 'd'), flag('owner', 'o'), flag('disabled', 'D')],
  registers: [flag('cpustate_all', 'a'), optional(int('vcpu'))],
  'trace-events': [optional(string('name')), optional(int('vcpu'))],
};

function print(text: string): string {
  const { fmt, val } = parse([format('fmt'), long('val')], text, 'print|p');
  switch (fmt.format) {
    case 'o':
      return `0${val.toString(8)}`;
    case 'x':
      return `0x${BigInt.asUintN(64, val).toString(16)}`;
    case 'u':
      return String(BigInt.asUintN(64, val));
    case 'c':
      return `'${String.fromCharCode(Number(val))}'`;
    default:
      return String(val);
  }
}

function run(line: string): string {
  const typed = /^(info\s+)?[a-z0-9_-]+/.exec(line)?.[0] ?? '';
  const bare = typed.replace(/^info\s+/, '');
  const name = Object.keys(commands).find((names) => names.split('|').includes(bare)) ?? '';
  const text = line.slice(typed.length);
  try {
    if (name === 'print|p') return `${print(text)}\r\n`;
    parse(commands[name] ?? [], text, name);
    return '';
  } catch (error) {
    if (error instanceof HmpSyntaxError) return `${error.message}\r\n${helpHint(typed)}\r\n`;
    throw error;
  }
}

const args = suite('HMP arguments');

args('refuses lines and evaluates expressions as a recorded QEMU does', () => {
  // Recorded from qemu-system-x86_64 7.2 through human-monitor-command.
  const file = new URL('../../../../test/qmp/data/hmp-arguments.json', import.meta.url);
  const recorded = JSON.parse(readFileSync(file, 'utf8')) as [string, string][];
  assert.ok(recorded.length > 500);
  for (const [line, expected] of recorded) {
    // What the command itself says does not concern the arguments.
    const wanted = expected.startsWith('Error: ') ? '' : expected;
    // QEMU prints two of the messages on its standard output.
    const said = run(line).replace(/^(unterminated string|unsupported escape code: .*)\n/, '');
    assert.is(said, wanted, line);
  }
});

args('gives each argument its type', () => {
  const parsed = parse(
    [
      string('s'),
      string('quoted'),
      int('i'),
      long('l'),
      size('o'),
      mebibytes('M'),
      seconds('T'),
      onOff('b'),
      flag('f', 'f'),
      flagWithValue('d', 'd'),
      rest('S'),
    ],
    ' abc "a\\"b \\n\\\\" 0x10 (-1) 1.5G 2 250ms on -f -d disp  the rest ',
  );
  const typed: { s: string; i: number; l: bigint; b: boolean; d: string | undefined } = parsed;
  assert.equal(typed, {
    s: 'abc',
    quoted: 'a"b \n\\',
    i: 16,
    l: -1n,
    o: 1536n * 2n ** 20n,
    M: 2n * 2n ** 20n,
    T: 0.25,
    b: true,
    f: true,
    d: 'disp',
    S: 'the rest ',
  });
});

args('leaves out what is optional', () => {
  const parameters = [flag('f', 'f'), flagWithValue('d', 'd'), optional(string('a')), optional(int('b')), options('c')];
  assert.equal(parse(parameters, '  '), { f: false, d: undefined, a: undefined, b: undefined, c: undefined });
  assert.equal(parse([options('driver')], ' virtio-nsm,id=n'), { driver: 'virtio-nsm,id=n' });
});

args('reads sizes in MiB unless a suffix says otherwise', () => {
  const bytes = (text: string): bigint => parse([size('o')], ` ${text}`).o;
  assert.is(bytes('3'), 3n << 20n);
  assert.is(bytes('0x10'), 16n << 20n);
  assert.is(bytes('1.5'), 3n << 19n);
  assert.is(bytes('4k'), 4096n);
  assert.is(bytes('7B'), 7n);
});

args('keeps the last format for the next command', () => {
  const format1 = (text: string) => parse([format('fmt'), long('addr')], text).fmt;
  assert.equal(format1('/4xg 0'), { count: 4, format: 'x', size: 8 });
  assert.equal(format1(' 0'), { count: 1, format: 'x', size: 8 });
  assert.equal(format1('/d 0'), { count: 1, format: 'd', size: 8 });
  assert.equal(format1('/3i 0'), { count: 3, format: 'i', size: -1 });
  assert.equal(format1(' 0'), { count: 1, format: 'i', size: -1 });
  assert.equal(format1('/iw 0'), { count: 1, format: 'i', size: 4 });
  assert.equal(format1('/xb 0'), { count: 1, format: 'x', size: 1 });
  assert.equal(format1('/99999999999x 0').count, 2 ** 31 - 1);
});

args('asks for registers by name', () => {
  assert.is(parse([long('addr')], ' $rip + 0x10').addr, 0x1010n);
});

args('tells numbers that are not seconds', () => {
  assert.is(refusal([seconds('T')], ' x'), 'Number expected');
  assert.is(refusal([seconds('T')], ' 1e999'), 'Bad number');
  assert.is(refusal([seconds('T')], ' 1min'), 'Unknown unit suffix');
});

args('tells what is wrong with a quoted string', () => {
  assert.is(refusal([string('path')], ' "a'), 'unterminated string\ncmd: string expected');
  assert.is(refusal([string('path')], ' "a\\qb"'), "unsupported escape code: '\\q'\ncmd: string expected");
  assert.is(refusal([flagWithValue('d', 'd')], ' -d'), 'cmd: value expected for -d');
  assert.is(refusal([flag('f', 'f')], ' -'), 'cmd: unsupported option -');
});

args('bounds nesting, digits and length', () => {
  assert.is(refusal([long('l')], ` ${'('.repeat(60_000)}`), 'expression too deep');
  assert.is(refusal([long('l')], ` ${'-'.repeat(60_000)}1`), 'expression too deep');
  assert.is(refusal([long('l')], ` ${'9'.repeat(60_000)}`), 'number too large');
  assert.is(parse([long('l')], ` ${'0'.repeat(60_000)}17`).l, 15n);
  assert.is(refusal([string('s')], 'x'.repeat(70_000)), 'cmd: line too long');
});

args('the quotient that does not fit wraps', () => {
  assert.is(parse([long('l')], ' 0x8000000000000000/-1').l, -(2n ** 63n));
});

args('any line gives arguments or one refusal', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '-f',
      '-x',
      '"',
      '\\',
      "'a'",
      '(',
      ')',
      '+',
      '-',
      '*',
      '/',
      '%',
      '~',
      '$rip',
      '0x',
      '010',
      '1.5G',
      ' ',
      'on',
      '.',
      '/4xg',
    ),
    fc.string({ unit: 'binary', maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.constantFrom(...Object.keys(commands)), (pieces, name) => {
      try {
        parse(commands[name] ?? [], pieces.join(''), name);
      } catch (error) {
        assert.instance(error, HmpSyntaxError);
      }
    }),
    { numRuns: 5000 },
  );
});

args.run();
