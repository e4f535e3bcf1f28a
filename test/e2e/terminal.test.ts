import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { consoleLines, sameText } from '../support/console.js';
import { deadline, eventually } from '../support/deadline.js';
import { type DoubleConfig, doubleProgram, doubleUnavailable } from '../support/double.js';
import { exampleImage } from '../support/eif-example.js';
import { emulatorPath } from '../support/emulator.js';
import {
  closeTerminals,
  ECHO,
  ICANON,
  ISIG,
  screenRows,
  type TerminalOptions,
  TerminalSession,
  terminalUnavailable,
} from '../support/terminal.js';

const tests = suite('a person at a terminal');
const QEMU = 'qemu-system-x86_64';
const qemuUnavailable = spawnSync(QEMU, ['--version']).status === 0 ? undefined : `no ${QEMU} on this host`;
const doubleMissing = await doubleUnavailable();
const dir = mkdtempSync(join(tmpdir(), 'nitro-terminal-'));
const eif = join(dir, 'test.eif');
writeFileSync(eif, exampleImage);
tests.after.each(closeTerminals);
tests.after(() => rmSync(dir, { recursive: true }));

/** @param missing why this test cannot run here, if so */
function test(name: string, missing: (string | undefined)[], work: () => Promise<void>): void {
  const reason = [terminalUnavailable, ...missing].find((text) => text !== undefined);
  tests(name, async () => {
    if (reason === undefined) await work();
    else console.log(`SKIP ${reason}`);
  });
}

const ours = [process.execPath, emulatorPath()];
const PROMPT = '(qemu) ';

function monitorOnStdio(...args: string[]): TerminalSession {
  return new TerminalSession({ command: [...ours, '-M', 'none', '-monitor', 'stdio', ...args] });
}

/** The quick start on a terminal, under the device double. */
async function enclave(
  args: string[] = [],
  config: DoubleConfig = {},
  options: Partial<TerminalOptions> & { control?: string } = {},
): Promise<TerminalSession> {
  const supervisor = [join(process.cwd(), await doubleProgram()), '--records', '/dev/null'];
  supervisor.push('--config', JSON.stringify({ console: { text: 'the enclave speaks\r\n' }, ...config }));
  if (options.control !== undefined) supervisor.push('--control', options.control);
  const machine = ['-accel', 'nitro,debug-mode=on', '-M', 'nitro', '-nographic', '-smp', '2', '-m', '64M'];
  return new TerminalSession({
    ...options,
    command: [...supervisor, '--', ...ours, ...machine, '-kernel', eif, ...args],
  });
}

/** QEMU with its serial port and its monitor on one terminal. */
function qemuConsole(...args: string[]): TerminalSession {
  const machine = ['-M', 'pc', '-S', '-nographic', '-nodefaults', '-serial', 'mon:stdio'];
  return new TerminalSession({ command: [QEMU, ...machine, ...args] });
}

/** Screens of both programs, without their versions and the words of the help texts. */
function comparable(output: string): string[] {
  return screenRows(output)
    .map((row) =>
      row.replace(/QEMU [\d.]+ monitor/, 'QEMU V monitor').replace(/^((\S+ \S) {2}|(\S+ \S+) {2}).*/, '$1help'),
    )
    .filter((row) => !row.includes('the enclave speaks'));
}

test('-nographic: serial first, Ctrl-A and its letters, as QEMU', [doubleMissing, qemuUnavailable], async () => {
  const talk = async (session: TerminalSession): Promise<string[]> => {
    const from = session.output.length;
    await session.ask('\x01h', /C-a C-a [^\n]*\n\r/);
    await session.ask('\x01?', /C-a C-a [^\n]*\n\r/);
    await session.ask('\x01c', PROMPT);
    await session.ask('info name', 'name');
    await session.ask('\x01c', '\n');
    session.type('for the serial port\x01\x01\x01b\x01s');
    await session.ask('\x01c', PROMPT);
    await session.ask('info name\r', PROMPT);
    await session.ask('info nam\x01\x01\x1b[C\x1b[C\x1b[3~', 'nam');
    await session.ask('\x01x', 'QEMU: Terminated');
    const { status, modes } = await session.ended();
    assert.is(status, 0);
    assert.is((modes?.lflag ?? 0) & (ISIG | ICANON | ECHO), ISIG | ICANON | ECHO);
    return comparable(session.output.slice(from));
  };
  const our = await enclave();
  await our.shows('the enclave speaks');
  assert.is(our.output, 'the enclave speaks\r\r\n');
  assert.is((await our.modes()).lflag & (ISIG | ICANON | ECHO), 0);
  const theirs = qemuConsole();
  await theirs.raw();
  const [expected, actual] = [await talk(theirs), await talk(our)];
  assert.equal(actual, expected);
  assert.ok(actual.includes('(qemu) info name'));
});

test(
  '-echr: another escape character, as QEMU; what is no byte is refused',
  [doubleMissing, qemuUnavailable],
  async () => {
    for (const code of [0x14, 0x1d]) {
      const character = String.fromCharCode(code);
      const talk = async (session: TerminalSession): Promise<string[]> => {
        const from = session.output.length;
        await session.ask(`${character}h`, /send[^\n]*\n\r/);
        await session.ask(`\x01c${character}c`, PROMPT);
        await session.ask(`${character}x`, 'QEMU: Terminated');
        assert.is((await session.ended()).status, 0);
        return comparable(session.output.slice(from));
      };
      const our = await enclave(['-echr', `0x${code.toString(16)}`]);
      await our.shows('the enclave speaks');
      const theirs = qemuConsole('-echr', String(code));
      await theirs.raw();
      assert.equal(await talk(our), await talk(theirs));
    }
    for (const text of ['a', '', '256', '-1', '1x']) {
      const { status, stderr } = spawnSync(ours[0] ?? '', [ours[1] ?? '', '-M', 'none', '-echr', text], {
        encoding: 'utf8',
      });
      assert.is(status, 1);
      assert.match(stderr, `qemu-system-x86_64: -echr ${text}: Bad argument to echr`);
    }
  },
);

test('the terminal is as before after every way out', [doubleMissing], async () => {
  const ways: [string, (session: TerminalSession) => Promise<void>, status: number, last: RegExp][] = [
    ['quit', async (session) => session.type('quit\r'), 0, /quit\r\r\n$/],
    ['q', async (session) => session.type('q\r'), 0, /q\r\r\n$/],
    ['Ctrl-C', async (session) => session.type('\x03'), 0, /terminating on signal 2\r\n$/],
    ['Ctrl-\\', async (session) => session.type('\x1c'), -3, /\(qemu\) $/],
    ['SIGTERM', (session) => session.kill('SIGTERM'), 0, /terminating on signal 15\r\n$/],
    ['SIGINT', (session) => session.kill('SIGINT'), 0, /terminating on signal 2\r\n$/],
    ['SIGHUP', (session) => session.kill('SIGHUP'), 0, /terminating on signal 1\r\n$/],
  ];
  for (const [name, leave, status, last] of ways) {
    const session = monitorOnStdio();
    await session.shows(PROMPT);
    assert.is((await session.modes()).lflag & (ISIG | ICANON | ECHO), ISIG, name);
    await leave(session);
    const end = await session.ended();
    assert.is(end.status, status, name);
    assert.is((end.modes?.lflag ?? 0) & (ISIG | ICANON | ECHO), ISIG | ICANON | ECHO, name);
    assert.match(session.output, last, name);
  }
  const broken = monitorOnStdio('-device', 'nope');
  assert.is((await broken.ended()).status, 1);
  assert.match(broken.output, "-device nope: 'nope' is not a valid device model name\r\n");
  assert.is(((await broken.ended()).modes?.lflag ?? 0) & (ICANON | ECHO), ICANON | ECHO);
});

test("the enclave's own end gives the terminal back", [doubleMissing], async () => {
  const control = join(dir, 'control');
  const session = await enclave([], {}, { control });
  await session.shows('the enclave speaks');
  const peer = connect(control);
  peer.on('error', () => {});
  peer.write('{"id": 1, "cmd": "end"}\n');
  const { status, modes } = await session.ended();
  peer.destroy();
  assert.is(status, 0);
  assert.is((modes?.lflag ?? 0) & (ISIG | ICANON | ECHO), ISIG | ICANON | ECHO);
});

test('a terminal that hangs up ends the emulator in order', [], async () => {
  for (const session of [
    monitorOnStdio(),
    new TerminalSession({ command: [...ours, '-M', 'none', '-monitor', 'none'] }),
  ]) {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    session.hangUp();
    assert.is((await session.ended()).status, 0);
  }
});

test('a job in the background leaves the terminal alone; in the foreground it has it', [], async () => {
  const shell = new TerminalSession({ command: ['env', 'PS1=SHELL> ', 'bash', '--norc', '--noprofile', '-i'] });
  const command = [...ours, '-M', 'none', '-monitor', 'stdio'].join(' ');
  await shell.shows('SHELL> ');
  await shell.ask(`${command} &\n`, PROMPT);
  await shell.ask('echo $((6 * 7)) first\n', '42 first');
  await shell.ask('jobs\n', 'Running');
  await shell.ask('fg\n', 'monitor stdio\r\n');
  await shell.raw();
  await shell.ask('info status\r', 'VM status: running');
  await shell.ask('\x1a', 'Stopped');
  await shell.ask('stty -a | grep -o " icanon"\n', /\r icanon/);
  await shell.ask('bg\n', '&\r\n');
  await shell.ask('echo $((6 * 8)) second\n', '48 second');
  await shell.ask('fg\n', 'monitor stdio\r\n');
  await shell.raw();
  await shell.ask('info version\r', '10.2.50');
  await shell.ask('quit\r', 'SHELL> ');
  await shell.ask(`${command} &\n`, PROMPT);
  await shell.ask('kill %1\n', 'terminating on signal 15');
  await shell.ask('echo $((6 * 9)) third\n', '54 third');
  shell.type('exit\n');
  assert.is((await shell.ended()).status, 0);
});

/** What comes out when standard input is `input`, up to the prompt behind `until`; ended with SIGTERM if need be. */
async function withInput(command: readonly string[], input: number | string, until: RegExp): Promise<string[]> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: [typeof input === 'number' ? input : 'pipe', 'pipe', 'ignore'] });
  let output = '';
  child.stdout?.setEncoding('latin1').on('data', (text: string) => {
    output += text;
  });
  if (typeof input === 'string') child.stdin?.end(input);
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  await eventually(`${until}`, () => until.test(output), 30_000);
  child.kill('SIGTERM');
  await deadline('the end', closed, 30_000);
  return comparable(output);
}

test('standard input may be a pipe, a file or nothing, as with QEMU', [qemuUnavailable], async () => {
  const base = ['-M', 'none', '-display', 'none', '-monitor', 'stdio'];
  const lines = 'info name\ninfo status\n';
  const file = join(dir, 'input');
  writeFileSync(file, `${lines}quit\n`);
  const cases: [string | (() => number), RegExp][] = [
    [lines, /running\r\n\(qemu\) $/],
    [`${lines}quit\n`, /quit[^\n]*\n$/],
    [() => openSync(file, 'r'), /quit[^\n]*\n$/],
    [() => openSync('/dev/null', 'r'), /\(qemu\) $/],
  ];
  for (const [input, until] of cases) {
    const screens: string[][] = [];
    for (const program of [ours, [QEMU]]) {
      const source = typeof input === 'string' ? input : input();
      screens.push(await withInput([...program, ...base], source, until));
      if (typeof source === 'number') closeSync(source);
    }
    assert.equal(screens[0], screens[1], `${input}`);
  }
});

test('the console goes on when standard input has ended, and answers what came before', [doubleMissing], async () => {
  const config = JSON.stringify({ console: { lines: 100, delayMs: 500 } });
  const command = [await doubleProgram(), '--records', '/dev/null', '--config', config, '--', ...ours];
  command.push('-accel', 'nitro,debug-mode=on', '-M', 'nitro', '-nographic', '-smp', '2', '-m', '64M', '-kernel', eif);
  const rows = await withInput(command, '\x01cinfo version\n', /00000099 of the enclave\r\n/);
  assert.equal(rows.slice(0, 3), ["QEMU V monitor - type 'help' for more information", '(qemu) info version', rows[2]]);
  assert.match(rows[2] ?? '', /^10\.2\.50/);
  assert.equal(rows.slice(3), screenRows(`(qemu) ${consoleLines(100)}`));
});

test('ten thousand lines through a slow terminal, typing meanwhile: nothing lost', [doubleMissing], async () => {
  const count = 10_000;
  const session = await enclave([], { console: { lines: count } }, { chunk: 1500, delayMs: 1 });
  await session.shows('line 00000100 ');
  for (let i = 0; i < 20; i++) {
    session.type('typed text\r\x03\x1a');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await session.shows('line 00009999 of the enclave', 0, 120_000);
  await session.ask('\x01c', PROMPT);
  await session.ask('info status\r', 'VM status: running');
  session.type('quit\r');
  assert.is((await session.ended()).status, 0);
  const text = session.output.slice(0, session.output.indexOf('QEMU '));
  sameText(text.replaceAll('\r\r\n', '\r\n'), consoleLines(count));
});

test('bytes of the console reach the terminal as they are', [doubleMissing], async () => {
  const bytes = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7) % 256));
  const file = join(dir, 'binary');
  writeFileSync(file, Buffer.concat([bytes, Buffer.from('THE END')]));
  const session = await enclave([], { console: { file } });
  const shown = await session.shows('THE END');
  // The terminal's own ONLCR, which QEMU leaves on.
  assert.is(shown, `${bytes.toString('latin1').replaceAll('\n', '\r\n')}THE END`);
  await session.ask('\x01x', 'Terminated');
});

test('forms of -serial, -parallel and -monitor answer as QEMU', [qemuUnavailable], async () => {
  const forms = [
    '-serial pty -monitor none',
    '-serial mon:pty',
    '-monitor pty',
    '-serial file:f.out -parallel pty -monitor none',
    '-serial unix:s.none -monitor none',
    '-serial tcp:127.0.0.1:1 -monitor none',
    '-serial null -serial none -monitor none',
    '-serial /dev/nonexistent -monitor none',
    '-serial pipe:nopipe -monitor none',
    '-serial mon:stdio -monitor none',
    '-serial stdio -serial mon:stdio',
    '-monitor stdio -serial stdio',
    '-chardev stdio,id=a -mon chardev=a -serial stdio',
    '-serial mon:none',
    '-serial chardev:nope -monitor none',
    '-monitor chardev:nope',
    '-chardev null,id=n -monitor chardev:n -serial none',
    '-monitor nonesuch',
    '-monitor tcp:nonesuch',
    '-parallel nonesuch -monitor none',
  ];
  const answer = async (command: readonly string[], form: string): Promise<string[]> => {
    const [program = '', ...args] = [...command, '-M', 'none', '-display', 'none', ...form.split(' ')];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: dir });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    const timer = setTimeout(() => child.kill('SIGTERM'), 1500);
    const status = await deadline('the end', closed, 30_000);
    clearTimeout(timer);
    const rows = comparable(output.replace(/.*terminating on signal 15.*\n/, '').replaceAll(/pts\/\d+/g, 'pts/N'));
    return [...rows.sort(), `status ${status}`];
  };
  for (const form of forms) {
    const [actual, expected] = await Promise.all([answer(ours, form), answer([QEMU], form)]);
    assert.equal(actual, expected, form);
  }
});

tests.run();
