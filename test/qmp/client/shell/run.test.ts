import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseOptions, type ShellOptions } from '../../../../qmp/client/shell/options.js';
import { runShell } from '../../../../qmp/client/shell/run.js';
import { str, struct } from '../../../../src/qom/qapi.js';
import { deadline, eventually } from '../../../support/deadline.js';
import { FakeDispatcher } from '../../../support/qmp-peer.js';
import { emit, serve } from '../../../support/qmp-wire.js';

const folder = mkdtempSync(join(tmpdir(), 'nitro-qmp-'));
const path = join(folder, 'qmp');
const sockets = new Set<Socket>();
let sessions: ReturnType<typeof serve>[] = [];
let server: Server;

const dispatcher = new FakeDispatcher({
  'human-monitor-command': { args: struct('hmp', { 'command-line': str }), run: () => 'VM status: running\r\n' },
  stuck: { run: () => new Promise(() => {}) },
});

async function start(): Promise<void> {
  sessions = [];
  server = createServer((socket) => {
    sockets.add(socket);
    sessions.push(serve(socket, dispatcher));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

const shell = suite('nitro-qmp');
shell.before(start);
shell.after(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the shell on a command line, without a terminal. */
function run(...argv: string[]) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const output = { stdout: '', stderr: '' };
  stdout.setEncoding('utf8').on('data', (text) => (output.stdout += text));
  stderr.setEncoding('utf8').on('data', (text) => (output.stderr += text));
  const status = runShell(parseOptions(argv, {}) as ShellOptions, { stdin, stdout, stderr });
  return { stdin, output, status: deadline('the shell', status) };
}

shell('-c prints results, pretty or compact, and succeeds', async () => {
  const pretty = run(path, '-c', 'qom-get path=/ property=a', '-c', 'query-status', '-c', 'query-name');
  assert.is(await pretty.status, 0);
  assert.is(pretty.output.stdout, '"a"\n{\n    "status": "running",\n    "running": true\n}\n{}\n');
  const compact = run(path, '--compact', '-c', 'query-status', '-c', '{"execute": "query-name", "id": 5}');
  assert.is(await compact.status, 0);
  assert.is(compact.output.stdout, '{"status": "running", "running": true}\n{"return": {}, "id": 5}\n');
});

shell('an error reply ends the commands with status 1', async () => {
  const { status, output } = run(path, '-c', 'nonesuch', '-c', 'query-status');
  assert.is(await status, 1);
  assert.is(output.stdout, '');
  assert.is(output.stderr, 'nitro-qmp: nonesuch: CommandNotFound: The command nonesuch has not been found\n');
});

shell('a command that is none is wrong usage, and nothing is run', async () => {
  const { status, output } = run(join(folder, 'absent'), '-c', 'query-status', '-c', 'x y');
  assert.is(await status, 2);
  assert.is(output.stderr, "nitro-qmp: argument 'y' has no value; write KEY=VALUE\n");
});

shell('no connection and no reply in time are status 3', async () => {
  const absent = run(join(folder, 'absent'), '-c', 'query-status');
  assert.is(await absent.status, 3);
  assert.match(absent.output.stderr, 'ENOENT');
  const stuck = run(path, '--timeout', '0.2', '-c', 'stuck');
  assert.is(await stuck.status, 3);
  assert.match(stuck.output.stderr, 'stuck took longer than 200 ms');
});

shell('--hmp runs lines of the human monitor', async () => {
  const { status, output } = run(path, '--hmp', '-c', 'info status');
  assert.is(await status, 0);
  assert.is(output.stdout, 'VM status: running\n');
});

shell('lines of a pipe run up to the first that fails', async () => {
  const good = run(path, '--compact');
  good.stdin.end('query-status\n\nqom-get path=/ property=b\n');
  assert.is(await good.status, 0);
  assert.is(good.output.stdout, '{"status": "running", "running": true}\n"b"\n');
  const bad = run(path);
  bad.stdin.end('nonesuch\nquery-status\n');
  assert.is(await bad.status, 1);
  assert.is(bad.output.stdout, '');
});

shell('--watch prints events as JSON lines until the connection ends, those of its commands too', async () => {
  const { status, output } = run(path, '--watch', '--compact', '-c', 'query-status');
  const watched = () => sessions.at(-1);
  await eventually('the result', () => output.stdout.includes('running'));
  const session = watched();
  if (session === undefined) throw new Error('there is no session');
  emit(session, 'STOP');
  emit(session, 'SHUTDOWN', { guest: false, reason: 'host-qmp-quit' });
  await eventually('the events', () => output.stdout.includes('SHUTDOWN'));
  const events = output.stdout.trim().split('\n').slice(1);
  assert.equal(
    events.map((line) => JSON.parse(line).event),
    ['STOP', 'SHUTDOWN'],
  );
  for (const socket of sockets) socket.destroy();
  assert.is(await status, 3);
  assert.match(output.stderr, 'connection lost');
});

shell('a pipe that is open does not keep the shell when the connection is lost', async () => {
  const { status, output, stdin } = run(path);
  stdin.write('query-status\n');
  await eventually('the result', () => output.stdout.includes('running'));
  for (const socket of sockets) socket.destroy();
  assert.is(await status, 3);
});

shell('--wait waits for the endpoint to appear', async () => {
  server.close();
  const early = run(path, '--wait', '60', '--compact', '-c', 'query-name');
  await new Promise((resolve) => setTimeout(resolve, 120));
  await start();
  assert.is(await early.status, 0);
  assert.is(early.output.stdout, '{}\n');
  const never = run(join(folder, 'never'), '--wait', '0.1', '-c', 'query-name');
  assert.is(await never.status, 3);
});

shell.run();
