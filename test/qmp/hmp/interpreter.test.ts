import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../../qmp/context.js';
import { infoCommands, mainCommands } from '../../../qmp/hmp/commands/index.js';
import { completeLine } from '../../../qmp/hmp/completion.js';
import { HmpInterpreter } from '../../../qmp/hmp/interpreter.js';
import { deadline } from '../../support/deadline.js';
import { createTestMonitor } from '../../support/monitor.js';

async function create(options: Parameters<typeof createTestMonitor>[0] = {}) {
  const monitor = await createTestMonitor(options);
  return { ...monitor, interpreter: new HmpInterpreter(monitor.host, new MonitorClient()) };
}

const running = suite('hmp: running lines');

running('blank lines do nothing', async () => {
  const { interpreter } = await create();
  for (const line of ['', '   ', '\t']) assert.is(await interpreter.run(line), '');
});

running('a wrong command line is told with a pointer to help', async () => {
  const { interpreter } = await create();
  assert.is(
    await interpreter.run('qom-get /machine'),
    'qom-get: string expected\nTry "help qom-get" for more information\n',
  );
  assert.is(
    await interpreter.run('info version x'),
    'version: extraneous characters at the end of line\nTry "help info version" for more information\n',
  );
});

running('errors of commands follow `Error: `', async () => {
  const { interpreter } = await create();
  assert.is(await interpreter.run('qom-get /machine nope'), "Error: Property 'none-machine.nope' not found\n");
  assert.is(await interpreter.run('device_del x'), "Error: Device 'x' not found\n");
  assert.is(await interpreter.run('device_add nope'), "Error: 'nope' is not a valid device model name\n");
  assert.is(await interpreter.run('chardev-remove x'), "Error: Chardev 'x' not found\n");
});

running('properties are set from text, or from JSON with -j', async () => {
  const { interpreter } = await create();
  assert.is(await interpreter.run('qom-set /machine graphics off'), '');
  assert.is(await interpreter.run('qom-get /machine graphics'), 'false\n');
  assert.is(await interpreter.run('qom-set -j /machine graphics true'), '');
  assert.is(await interpreter.run('qom-get /machine graphics'), 'true\n');
  assert.is(await interpreter.run('qom-set -j /machine append "a b"'), '');
  assert.is(await interpreter.run('qom-get /machine append'), '"a b"\n');
  assert.match(await interpreter.run('qom-set -j /machine append {'), /^Error: JSON parse error, /);
  assert.match(await interpreter.run('qom-set -j /machine append tru'), /^Error: JSON parse error, /);
});

running('objects are made and deleted', async () => {
  const { interpreter } = await create();
  assert.is(await interpreter.run('object_add iothread,id=io1'), '');
  assert.match(await interpreter.run('info iothreads'), /^io1:\n {2}thread_id=\d+\n {2}poll-max-ns=32768\n/);
  assert.is(await interpreter.run('object_del io1'), '');
  assert.is(await interpreter.run('object_del io1'), "Error: object 'io1' not found\n");
});

running('character devices are made, listed and removed', async () => {
  const { interpreter } = await create();
  assert.is(await interpreter.run('chardev-add null,id=n'), '');
  assert.is(await interpreter.run('info chardev'), 'n: filename=null\n');
  assert.is(await interpreter.run('chardev-remove n'), '');
  assert.is(await interpreter.run('info chardev'), '');
  assert.is(await interpreter.run('chardev-add ringbuf,id=r,size=16'), '');
  assert.is(await interpreter.run('ringbuf_write r hello'), '');
  assert.is(await interpreter.run('ringbuf_read r 100'), 'hello\n');
});

running('commands act on the machine', async () => {
  const { interpreter, system } = await create();
  await interpreter.run('s');
  assert.is(system.run.state, 'paused');
  await interpreter.run('c');
  assert.is(system.run.state, 'running');
  await interpreter.run('watchdog_action pause');
  assert.is(system.run.actions.watchdog, 'pause');
  assert.is(await interpreter.run('trace-event nope on'), 'Error: unknown event "nope"\n');
  await interpreter.run('migrate_set_capability events on');
  assert.match(await interpreter.run('info migrate_capabilities'), /^events: on$/m);
  await interpreter.run('q');
  assert.is(await deadline('the end', system.run.finished), 0);
});

running('before the machine is built most commands are not available', async () => {
  const { interpreter, system } = await create({ preconfig: true });
  assert.is(
    await interpreter.run('info qtree'),
    "Command 'info qtree' not available until machine initialization has completed.\n",
  );
  assert.is(await interpreter.run('info status'), 'VM status: paused (prelaunch)\n');
  assert.is(await interpreter.run('exit_preconfig'), '');
  assert.is(system.run.state, 'running');
  assert.is(
    await interpreter.run('exit_preconfig'),
    'Error: The command is permitted only before machine initialization\n',
  );
});

running('no line makes it fail', async () => {
  const { interpreter } = await create();
  const names = [...mainCommands.map(({ name }) => name), ...infoCommands.map(({ name }) => `info ${name}`)]
    .map((name) => name.split('|')[0] ?? '')
    // These end the machine, write files or wait for somebody.
    .filter((name) => !/^(quit|system_reset|pmemsave|memsave|dump-guest|chardev|object_add)/.test(name));
  const word = fc.oneof(
    fc.constantFrom('/machine', '-f', '-j', '/4xb', '0x1000', 'on', '"a b"', 'type', '1+1', ','),
    fc.string({ maxLength: 10 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.constantFrom(...names), fc.string()),
      fc.array(word, { maxLength: 4 }),
      async (name, words) => {
        const line = [name, ...words].join(' ');
        // A random name may still spell one of those.
        if (/^\s*(q|quit|system_reset)\b/.test(line)) return;
        const text = await deadline(line, interpreter.run(line));
        assert.ok(text === '' || text.endsWith('\n'), JSON.stringify(text));
        await completeLine(interpreter.context, line);
      },
    ),
    { numRuns: 300 },
  );
});

running.run();

const completion = suite('hmp: completion');

completion('completes names of commands and of what info shows', async () => {
  const { interpreter } = await create();
  const complete = (left: string) => completeLine(interpreter.context, left);
  assert.equal(await complete('qom-'), { length: 4, candidates: ['qom-get', 'qom-list', 'qom-set'] });
  assert.equal((await complete('  con')).candidates, ['cont']);
  assert.equal((await complete('info qt')).candidates, ['qtree']);
  assert.equal((await complete('help system_p')).candidates, ['system_powerdown']);
  assert.ok((await complete('')).candidates.includes('quit'));
  assert.equal((await complete('nonesuch a')).candidates, []);
});

completion('completes paths part by part, then properties', async () => {
  const { interpreter } = await create();
  const complete = async (left: string) => (await completeLine(interpreter.context, left)).candidates;
  assert.equal(await complete('qom-list /ma'), ['/machine']);
  assert.equal(await complete('qom-get /machine/per'), ['/machine/peripheral', '/machine/peripheral-anon']);
  assert.equal(await complete('qom-get /machine app'), ['append']);
  assert.equal(await complete('qom-set -j /machine graph'), ['graphics']);
  assert.equal(await complete('info qom-tree /obj'), ['/objects']);
});

completion('completes ids of objects and character devices', async () => {
  const { interpreter } = await create();
  await interpreter.run('object_add iothread,id=io1');
  await interpreter.run('chardev-add null,id=n');
  const complete = async (left: string) => (await completeLine(interpreter.context, left)).candidates;
  assert.equal(await complete('object_del i'), ['io1']);
  assert.equal(await complete('chardev-remove '), ['n']);
  assert.equal(await complete('watchdog_action p'), ['pause', 'poweroff']);
});

completion('completes what help tells about, types and kinds of character devices', async () => {
  const { interpreter } = await create();
  const complete = async (left: string) => (await completeLine(interpreter.context, left)).candidates;
  assert.equal(await complete('help info vers'), ['version']);
  assert.equal(await complete('? system_p'), ['system_powerdown']);
  assert.equal(await complete('help info version x'), []);
  assert.equal(await complete('device_add nitro-vsock-br'), ['nitro-vsock-bridge']);
  assert.equal(await complete('object_add memory-backend-m'), ['memory-backend-memfd']);
  assert.equal(await complete('device_add nitro x'), []);
  assert.equal(await complete('chardev-add ring'), ['ringbuf']);
});

completion('completes names of files', async () => {
  const { interpreter } = await create();
  const complete = async (left: string) => (await completeLine(interpreter.context, left)).candidates;
  const listed = execFileSync('bash', ['-c', 'compgen -f /etc/p | while read f; do [ -d $f ] && f=$f/; echo $f; done']);
  assert.equal(await complete('screendump /etc/p'), listed.toString().trim().split('\n').sort());
  assert.equal(await complete('screendump /none/such'), []);
  assert.ok((await complete('screendump pack')).includes('package.json'));
});

completion.run();
