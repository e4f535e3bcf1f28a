import { readFile, writeFile } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { bzImage } from '../support/kernels.js';
import { nitroSuite } from '../support/nitro-host.js';
import type { QmpConnection } from '../support/qmp-connection.js';

const { host, test, run } = await nitroSuite('nitro: object tree and screens as recorded');

type Objects = Record<string, Record<string, JsonObject>>;
interface Recording {
  /** Output of HMP commands. */
  readonly screens: Record<string, string>;
  readonly queries: Record<string, JsonValue>;
  /** Path to property to type and value. */
  readonly objects: Objects;
}

/** From reference/qemu: hmp/nitro-*.txt, qmp/queries.nitro-*.json, qom-tree/nitro-*.json. */
const recordings = JSON.parse(
  await readFile(new URL('../../../test/e2e/data/nitro-trees.json', import.meta.url), 'utf8'),
) as Record<string, Recording>;

await writeFile(host.path('bzImage'), bzImage(65_536));
await writeFile(host.path('initrd.img'), 'initrd text\n'.repeat(128));

/** Options of each configuration after those that all have, as reference/qemu/README.md tells them. */
const configurations: Readonly<Record<string, { accel: string; more: string[]; heartbeat: boolean }>> = {
  production: { accel: 'nitro', more: [], heartbeat: true },
  debug: { accel: 'nitro,debug-mode=on', more: ['-serial', `file:${host.path('console.txt')}`], heartbeat: true },
  'cid-42': { accel: 'nitro,debug-mode=on,enclave-cid=42', more: ['-nodefaults'], heartbeat: false },
};

/** Starts a configuration and waits until it stands as it was recorded: heartbeat answered, console connected. */
async function start(name: string): Promise<QmpConnection> {
  const { accel, more, heartbeat } = configurations[name] ?? { accel: 'nitro', more: [], heartbeat: true };
  const image = ['-kernel', host.path('bzImage'), '-initrd', host.path('initrd.img'), '-append', 'console=ttyS0'];
  const args = ['-accel', accel, '-M', 'nitro', '-smp', '2', '-m', '128M', ...image, '-display', 'none', ...more];
  const { double, qmp } = await host.startQmp({ bare: true, args, config: { console: { text: 'x\r\n' } } });
  await double.record(heartbeat ? 'heartbeat' : 'heartbeat_refused');
  if (name === 'debug') await double.record('console_sent');
  const passing = async (): Promise<boolean> =>
    /nitro-heartbeat|disconnected/.test(JSON.stringify(await qmp.run('query-chardev')));
  while (await passing());
  return qmp;
}

/** Every object of the tree with all its properties. */
async function walk(qmp: QmpConnection, path = '/', objects: Objects = {}): Promise<Objects> {
  const properties: Record<string, JsonObject> = {};
  objects[path] = properties;
  for (const { name, type } of (await qmp.run('qom-list', { path })) as { name: string; type: string }[]) {
    const answer = await qmp.ask('qom-get', { path, property: name });
    properties[name] =
      'return' in answer ? { type, value: answer.return ?? null } : { type, error: answer.error ?? null };
    if (type.startsWith('child<')) await walk(qmp, path === '/' ? `/${name}` : `${path}/${name}`, objects);
  }
  return objects;
}

/** Texts as recorded: the files of a run have other paths. */
function recordedPaths<T extends JsonValue>(value: T): T {
  const text = JSON.stringify(value).replaceAll(host.dir, '/tmp/run');
  return JSON.parse(text.replace(/qmp\d+\.sock/g, 'qmp.sock')) as T;
}

interface Branch {
  line: string;
  branches: Branch[];
}

/** A screen as a tree by its indentation; order within a branch is no promise. */
function screenTree(screen: string): Branch[] {
  const root: Branch = { line: '', branches: [] };
  const open: { indent: number; branch: Branch }[] = [{ indent: -1, branch: root }];
  for (const line of screen
    .replace(/^(FlatView #)\d+$/gm, '$1')
    .split(/\r?\n/)
    .filter((text) => text.trim() !== '')) {
    const indent = line.search(/\S/);
    while ((open.at(-1)?.indent ?? -1) >= indent) open.pop();
    const branch = { line: line.trimEnd(), branches: [] };
    open.at(-1)?.branch.branches.push(branch);
    open.push({ indent, branch });
  }
  const sort = ({ branches }: Branch): void => {
    branches.forEach(sort);
    branches.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  };
  sort(root);
  return root.branches;
}

function byLabel(list: JsonValue): JsonValue {
  const text = (entry: JsonValue): string => String((entry as JsonObject).label ?? (entry as JsonObject).id);
  return Array.isArray(list) ? [...list].sort((a, b) => (text(a) < text(b) ? -1 : 1)) : list;
}

/** The recorded tree with the differences of docs/differences-from-qemu.md, section `Object tree`. */
function expectedObjects(name: string, recorded: Objects): Objects {
  const objects = structuredClone(recorded);
  objects['/backend'] = { type: { type: 'string', value: 'container' } };
  for (const path of Object.keys(objects)) if (path.startsWith('/backend/console')) delete objects[path];
  const child = (type: string, path: string): JsonObject => ({ type: `child<${type}>`, value: path });
  const accel = '/machine/accel';
  objects['/machine'] = { ...objects['/machine'], accel: child('nitro-accel', accel) };
  objects[accel] = {
    type: { type: 'string', value: 'nitro-accel' },
    'enclave-cid': { type: 'uint64', value: name === 'cid-42' ? 42 : 16 },
    'debug-mode': { type: 'bool', value: name !== 'production' },
  };
  for (const vcpu of ['vcpu[0]', 'vcpu[1]']) {
    const path = `${accel}/${vcpu}`;
    Object.assign(objects[accel], { [vcpu]: child('host-x86_64-cpu', path) });
    objects[path] = {
      type: { type: 'string', value: 'host-x86_64-cpu' },
      parent_bus: { type: 'link<bus>', value: '' },
      realized: { type: 'bool', value: true },
      hotplugged: { type: 'bool', value: false },
      hotpluggable: { type: 'bool', value: false },
    };
  }
  return objects;
}

/** A recorded screen with the same differences. */
function expectedScreen(command: string, recorded: string): string {
  if (command === 'qom-list /machine') return `${recorded}accel (child<nitro-accel>)\n`;
  if (command !== 'info qom-tree') return recorded;
  const vcpus = [0, 1].map((index) => `    /vcpu[${index}] (host-x86_64-cpu)\n`);
  return `${recorded.trimEnd()}\n  /accel (nitro-accel)\n${vcpus.join('')}`;
}

/** A recorded answer with the same differences: the console device watches its output. */
function expectedAnswer(name: string, recorded: JsonValue): JsonValue {
  if (name !== 'debug' || !Array.isArray(recorded)) return recorded;
  return recorded.map((entry) => {
    const chardev = entry as JsonObject;
    return chardev.label === 'serial0' ? { ...chardev, 'frontend-open': true } : chardev;
  });
}

for (const [name, recording] of Object.entries(recordings)) {
  test(`${name}: every object and property of the tree`, async () => {
    const qmp = await start(name);
    const objects = recordedPaths(await walk(qmp));
    const expected = expectedObjects(name, recording.objects);
    assert.equal(Object.keys(objects).sort(), Object.keys(expected).sort());
    for (const [path, properties] of Object.entries(expected)) assert.equal(objects[path], properties, path);
  });

  test(`${name}: screens of the human monitor and queries`, async () => {
    const qmp = await start(name);
    for (const [command, screen] of Object.entries(recording.screens)) {
      // Where RAM is mapped differs from run to run.
      const shown = recordedPaths(await qmp.hmp(command)).replace(
        /0x[0-9a-f]{16} {2}rw/,
        /0x\S+ {2}rw/.exec(screen)?.[0] ?? '',
      );
      assert.equal(screenTree(shown), screenTree(expectedScreen(command, screen)), command);
    }
    for (const [command, answer] of Object.entries(recording.queries)) {
      const expected = expectedAnswer(name, answer);
      assert.equal(byLabel(recordedPaths(await qmp.run(command))), byLabel(expected), command);
    }
  });
}

run();
