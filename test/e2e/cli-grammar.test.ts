import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionGroups } from '../../src/cli/groups.js';
import { applySection, readConfig } from '../../src/cli/readconfig.js';
import { QemuError } from '../../src/system/errors.js';
import { parseSizeText } from '../../src/system/numbers.js';
import { readCommandLine } from '../support/command-line.js';
import { deadline } from '../support/deadline.js';
import { sizePieces } from '../support/size-model.js';

// Debian's QEMU 7.2 as the judge of the grammars, where it and 10.2 agree: sizes below zero are left out (`invalid` there,
// `range` since 8.1), and so are keys that 7.2 does not have.
const program = 'qemu-system-x86_64';
const quit = '{"execute":"qmp_capabilities"}{"execute":"quit"}';

/** Runs QEMU until it ends by itself: with an error, or by the commands written to its monitor. */
function qemu(args: readonly string[], commands = quit): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(program, [...args, '-M', 'none', '-display', 'none', '-S', '-qmp', 'stdio'], { stdio: 'pipe' });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => {
    output.stdout += data;
  });
  child.stderr.on('data', (data) => {
    output.stderr += data;
  });
  child.stdin.on('error', () => {});
  child.stdin.write(commands);
  const ended = new Promise<typeof output>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
  return deadline(`${program} ${args.join(' ')}`, ended, 60_000).finally(() => child.kill('SIGKILL'));
}

const available = await qemu(['-h']).then(
  () => true,
  () => false,
);
const test = suite('grammars against QEMU');
const compare = (name: string, work: () => Promise<void>): void => {
  test(name, async () => (available ? work() : console.log(`SKIP no ${program} here`)));
};

let state = 0x9e3779b9;
function below(limit: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
}
const pick = (from: readonly string[]): string => from[below(from.length)] ?? '';

const numbers = [
  '0',
  '1',
  '07',
  '08',
  '0x1f',
  '-1',
  '',
  'x',
  '1x',
  ' 2',
  '18446744073709551616',
  '99999999999999999999z',
];
const switches = ['on', 'off', 'yes', 'n', 'On', '', '1'];
const texts = ['', 'a', 'a,,b', 'help', 'x=y', 'no'];
const sizes = sizePieces.filter((piece) => !piece.includes('-') && piece !== ',');
const size = () => Array.from({ length: 1 + below(3) }, () => pick(sizes)).join('');

/** Options with their keys; a value is drawn for a key by its kind. */
const grammar: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  '-m': { size, maxmem: size, slots: () => pick(numbers) },
  '-smp': {
    cpus: () => pick(numbers),
    cores: () => pick(numbers),
    'a.b': () => pick(texts),
    'a.0': () => pick(texts),
    'a.2': () => 'z',
  },
  '-boot': {
    order: () => pick(texts),
    menu: () => pick(switches),
    'splash-time': () => pick(numbers),
    'a..b': () => 'x',
  },
  '-name': { guest: () => pick(texts), process: () => pick(texts), 'debug-threads': () => pick(switches) },
  '-msg': { timestamp: () => 'off', 'guest-name': () => pick(switches) },
  '-overcommit': { 'cpu-pm': () => pick(['off', 'x', '', 'n,,']) },
  '-chardev': {
    ...{ backend: () => 'null', id: () => pick(['a', '1a', 'a-._1', '', 'é']), mux: () => pick(switches) },
    ...{ cols: () => pick(numbers), size, logappend: () => pick(switches), server: () => pick(switches) },
  },
  '-global': { driver: () => pick(texts), property: () => pick(texts), value: () => pick(texts) },
};
const firsts = ['1', 'null', 'help', '?', 'a.b=c', '.', '=', '', '512M', 'n', 'nomux'];
const switchesAlone = [
  'mux',
  'nomux',
  'delay',
  'nodelay',
  'nonesuch',
  'help',
  '?',
  'no',
  'nonesuch=1',
  '=',
  '',
  'id=b',
];

function generate(option: string): string {
  const keys = grammar[option] ?? {};
  const parts = below(3) === 0 ? [] : [pick(firsts)];
  for (let left = below(4); left > 0; left--) {
    const key = pick(Object.keys(keys));
    parts.push(below(6) === 0 ? pick(switchesAlone) : `${key}=${keys[key]?.() ?? ''}`);
  }
  return parts.join(',');
}

/** What QEMU says of a text that its grammar took. */
const actedUpon =
  /not a valid char driver|no id specified|missing backend|no filename given|Ambiguous|cannot|fd number|options 'driver'|FD number|chardev: /;

/** Compares one command line. @returns whether it was an error for both */
async function agree(argv: readonly string[]): Promise<boolean> {
  const ours = readCommandLine(argv);
  const theirs = await qemu(argv);
  const line = argv.join(' ');
  if (ours.stdout !== '') {
    assert.is(theirs.stdout.split('\n')[0], ours.stdout.split('\n')[0], line);
    return true;
  }
  if (ours.stopped) {
    assert.is(theirs.stderr, ours.stderr, line);
    return true;
  }
  assert.is(theirs.stderr.slice(0, ours.stderr.length), ours.stderr, line);
  const located = theirs.stderr
    .slice(ours.stderr.length)
    .split('\n')
    .filter((text) => text.startsWith(`${program}: ${line}: `));
  for (const text of located) assert.match(text, actedUpon, line);
  return false;
}

for (const option of Object.keys(grammar)) {
  compare(`${option} is read or refused alike, with the same sentence`, async () => {
    let errors = 0;
    for (let i = 0; i < 40; i++) if (await agree([option, generate(option)])) errors++;
    assert.ok(errors > 4 && errors < 40, `${errors} of 40 were errors`);
  });
}

compare('-set and repeated options are read or refused alike', async () => {
  const lines = [
    ['-chardev', 'null,id=a', '-chardev', 'null,id=a'],
    ['-smp', '1', '-smp', 'cpus.x=2'],
    ['-smp', 'a.0=1', '-smp', 'a.b=2'],
    ['-m', '16', '-m', 'slots=x'],
    ['-nonesuch'],
    ['-S', '-'],
    ['-S', '--'],
    ['-m', 'x', '---S'],
  ];
  for (const argv of lines) {
    const ours = readCommandLine(argv);
    assert.is((await qemu(argv)).stderr, ours.stderr, argv.join(' '));
    assert.ok(ours.stopped);
  }
});

compare('sizes have the same value', async () => {
  const given = new Map<string, bigint>();
  while (given.size < 1500) {
    const text = `${size()}${pick(['B', 'k', 'K', 'M', 'G', 'T', 'p'])}`;
    const value = parseSizeText(text);
    // The monitor splits words at spaces and takes bandwidths below 2^63; 7.2 wants a digit before the point.
    if (!text.includes(' ') && typeof value === 'bigint' && value > 0n && value < 1n << 63n && !/x|^[+]?\./i.test(text))
      given.set(text, value);
  }
  const commands = [...given.keys()].flatMap((text) => [
    JSON.stringify({
      execute: 'human-monitor-command',
      arguments: { 'command-line': `migrate_set_parameter max-bandwidth ${text}` },
    }),
    '{"execute":"query-migrate-parameters"}',
  ]);
  const { stdout } = await qemu([], `{"execute":"qmp_capabilities"}${commands.join('\n')}{"execute":"quit"}`);
  const values = [...stdout.matchAll(/"max-bandwidth": (\d+)/g)].map((match) => BigInt(match[1] ?? ''));
  assert.is(values.length, given.size);
  let i = 0;
  for (const [text, value] of given) assert.is(values[i++], value, text);
});

compare('configuration files are read or refused alike', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cli-grammar-'));
  const lines = [
    ...['[chardev "a"]', '[chardev "b"', '[machine', '[machine]', '[nonsense]', '[chardev ""]', '[ chardev "c" ] x'],
    ...[
      '  backend = "null"',
      'backend = "null" # c',
      'backend="null"',
      '\tmux = "on"',
      'cols = "x"',
      'foo',
      ' ',
      '# c',
      '',
    ],
    ...['a.b = "1"', 'a = "2"', 'a.0 = "3"', 'a.2 = "3"', 'id = "d"', 'x y', '= "z"', 'mux = "on', 'path = ""'],
  ];
  const ofGrammar =
    /no group defined|parse error|Invalid parameter|no option group|Cannot mix|Lists cannot|contiguous|Duplicate ID|expects a|expects 'on'/;
  let errors = 0;
  try {
    for (let i = 0; i < 120; i++) {
      const file = join(dir, 'f.ini');
      const text = `${Array.from({ length: 1 + below(5) }, () => pick(lines)).join('\n')}${pick(['\n', ''])}`;
      let sentence: string | undefined;
      try {
        const groups = new OptionGroups();
        for (const section of readConfig(text, file)) applySection(section, groups, () => {});
      } catch (error) {
        if (!(error instanceof QemuError)) throw error;
        sentence = error.message;
        errors++;
      }
      writeFileSync(file, text);
      const { stderr } = await qemu(['-readconfig', file]);
      if (sentence === undefined) assert.not.match(stderr, ofGrammar, JSON.stringify(text));
      // Of several unknown keys QEMU names the first of its hash table.
      else
        assert.ok(
          stderr.includes(`: ${sentence.replace(/(?<=^Invalid parameter ').*/, '')}`),
          `${JSON.stringify(text)}: ${sentence} / ${stderr}`,
        );
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
  assert.ok(errors > 20 && errors < 120, `${errors} of 120 were errors`);
});

test.run();
