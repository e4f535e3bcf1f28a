import { readdir, readFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type {
  CommandArgs,
  CommandName,
  CommandResult,
  EventNamed,
  QmpClient,
  QmpEvents,
} from '../../../qmp/client/index.js';
import type { JsonObject, JsonValue } from '../../../src/system/json.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function proven<_Claim extends true>(): void {}

/** Never called: what the compiler makes of it is the test. `@ts-expect-error` fails where there is no error. */
export async function typeTests(client: QmpClient, anyName: string): Promise<void> {
  proven<Equal<CommandArgs<'qom-get'>, { readonly path: string; readonly property: string }>>();
  proven<Equal<CommandResult<'qom-get'>, JsonValue>>();
  proven<Equal<QmpEvents['SHUTDOWN']['guest'], boolean>>();
  proven<Equal<EventNamed<'STOP'>['event'], 'STOP'>>();

  await client.execute('qom-get', { path: '/machine', property: 'type' });
  await client.execute('qom-get', { path: '/machine', property: 'type' }, { timeoutMs: 1 });
  // @ts-expect-error property is missing
  await client.execute('qom-get', { path: '/machine' });
  // @ts-expect-error a number is no path
  await client.execute('qom-get', { path: 1, property: 'type' });
  // @ts-expect-error there is no such argument
  await client.execute('qom-get', { path: '/machine', property: 'type', colour: 'red' });
  // @ts-expect-error arguments are needed
  await client.execute('qom-get');

  const status = await client.execute('query-status');
  proven<Equal<(typeof status)['running'], boolean>>();
  // @ts-expect-error a status has no such member
  status.colour;
  const types = await client.execute('qom-list-types', { abstract: true });
  proven<Equal<(typeof types)[number]['name'], string>>();
  await client.execute('qom-list-types');
  // @ts-expect-error takes no arguments
  await client.execute('stop', { now: true });

  await client.execute('device_add', { driver: 'nitro-heartbeat', id: 'h', 'its-own': true });
  // @ts-expect-error the driver is missing
  await client.execute('device_add', { id: 'h' });

  // Commands that are not declared, or not known before run time, are untyped.
  const untyped = await client.execute('drive-mirror', { device: 'd' });
  proven<Equal<typeof untyped, JsonValue>>();
  await client.execute(anyName, { anything: [1] });

  const shutdown = await client.waitFor('SHUTDOWN', ({ data }) => data.guest);
  proven<Equal<(typeof shutdown)['data']['guest'], boolean>>();
  for await (const event of client.events({ names: ['STOP', 'SHUTDOWN'] })) {
    if (event.event === 'SHUTDOWN') event.data.reason.toUpperCase();
    // @ts-expect-error RESUME is not among the names
    if (event.event === 'RESUME') break;
  }
  for await (const event of client.events()) {
    proven<Equal<typeof event.event, string>>();
    proven<Equal<typeof event.data, JsonObject | undefined>>();
  }
}

const names = suite('command types');

names('every module that declares commands gives the client its types', async () => {
  const declared = (await readdir('qmp/commands')).filter((file) => file.endsWith('.ts')).sort();
  const text = await readFile('qmp/command-map.ts', 'utf8');
  const listed = [...text.matchAll(/'\.\/commands\/([^']+)\.js'/g)].map(([, name]) => `${name}.ts`);
  assert.equal(listed.sort(), declared);
});

names('the names are those of the declarations', () => {
  const some: CommandName[] = ['qom-get', 'query-status', 'device_add'];
  assert.is(some.length, 3);
});

names.run();
