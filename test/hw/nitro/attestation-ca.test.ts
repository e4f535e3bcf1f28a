import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { issue, usage } from '../../../src/attestation/issue.js';
import { readRoot, toPem } from '../../../src/attestation/pem.js';
import { openAttestation } from '../../../src/hw/nitro/attestation-ca.js';
import type { JsonObject } from '../../../src/system/json.js';
import { createUserObjects } from '../../../src/system/user-objects.js';
import { certificateRequest } from '../../support/attestation.js';
import { createTestSystem } from '../../support/system.js';

const test = suite('nitro-attestation-ca');

let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attestation-ca-'));
});
test.after(() => rm(dir, { recursive: true }));

async function add(options: JsonObject, id = 'ca0') {
  const { system } = createTestSystem();
  const objects = createUserObjects(system);
  const object = await objects.add({ 'qom-type': 'nitro-attestation-ca', id, ...options });
  return { system, objects, object };
}

const message = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: Error) => error.message,
  );

test('one in a directory has the same root in every process, one without is new each time', async () => {
  const kept = { dir: join(dir, 'kept') };
  const first = await (await add(kept)).object.get('root');
  assert.is(await (await add(kept)).object.get('root'), first);
  assert.equal((await readdir(kept.dir)).sort(), ['root-key.pem', 'root.pem']);
  assert.is.not(await (await add({})).object.get('root'), await (await add({})).object.get('root'));
  assert.ok(new X509Certificate(String(first)).ca);
});

test("a user's own key and certificate are used", async () => {
  const root = issue(certificateRequest('my root', { pathLength: 'any' }));
  const key = join(dir, 'key.pem');
  const cert = join(dir, 'cert.pem');
  await writeFile(key, root.key.export({ format: 'pem', type: 'sec1' }));
  await writeFile(cert, toPem(root.certificate));
  const { object, system } = await add({ key, cert });
  assert.is(await object.get('root'), toPem(root.certificate));
  const { config, strict } = openAttestation(system, 'ca0');
  assert.ok(strict && config.mode === 'signed');
  assert.ok(createPublicKey(config.root.key).equals(new X509Certificate(toPem(root.certificate)).publicKey));
});

test('what cannot sign documents is refused with its reason', async () => {
  const file = async (name: string, content: string | Buffer): Promise<string> => {
    await writeFile(join(dir, name), content);
    return join(dir, name);
  };
  const now = Date.now();
  const request = certificateRequest('root', { pathLength: 'any' });
  const pemKey = (key: ReturnType<typeof issue>['key']) => key.export({ format: 'pem', type: 'pkcs8' }) as string;
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const sound = issue(request);
  const leaf = issue({ ...certificateRequest('leaf'), usage: usage.leaf });
  const shallow = issue({ ...request, pathLength: 2 });
  const old = issue({ ...request, notBefore: now - 10_000, notAfter: now - 5000 });
  const key = await file('sound-key.pem', pemKey(sound.key));
  const cert = await file('sound.pem', toPem(sound.certificate));
  const pair = async ({ key: own, certificate }: typeof sound, name: string) => ({
    key: await file(`${name}-key.pem`, pemKey(own)),
    cert: await file(`${name}.pem`, toPem(certificate)),
  });
  const cases: [RegExp, JsonObject][] = [
    [/'key' and 'cert' must be given together/, { key }],
    [/'dir' and 'key'\/'cert' are mutually exclusive/, { dir, key, cert }],
    [/Could not read '.*none': No such file or directory/, { key: join(dir, 'none'), cert }],
    [/is not a private key in PEM/, { key: cert, cert }],
    [/is not on P-384/, { key: await file('p256.pem', pemKey(p256)), cert }],
    [/is not a root for attestation/, { key, cert: key }],
    [/is not a root for attestation/, await pair(leaf, 'leaf')],
    [/is not that of the certificate/, { key, cert: (await pair(shallow, 'shallow')).cert }],
    [/allows fewer than 3 authorities/, await pair(shallow, 'shallow')],
    [/is not valid now/, await pair(old, 'old')],
    [/Could not create directory/, { dir: join(cert, 'below-a-file') }],
    [/expects 60 to 43200 seconds/, { 'leaf-lifetime': 59 }],
    [/is longer than/, { key: await file('long.pem', Buffer.alloc(100_000)), cert }],
  ];
  for (const [text, options] of cases) assert.match(await message(add(options)), text);
  if (process.getuid?.() !== 0) {
    await chmod(key, 0);
    assert.match(await message(add({ key, cert })), /Permission denied/);
  }
});

test('a directory with half a root is completed', async () => {
  const half = join(dir, 'half');
  const first = String(await (await add({ dir: half })).object.get('root'));
  await rm(join(half, 'root.pem'));
  const second = String(await (await add({ dir: half })).object.get('root'));
  const keyOf = (pem: string) => new X509Certificate(pem).publicKey;
  assert.ok(keyOf(first).equals(keyOf(second)));
});

test('the machine property attestation names an object, unsigned, or nothing', async () => {
  const { system, objects } = await add({ region: 'eu-west-1', 'leaf-lifetime': 600 });
  await objects.add({ 'qom-type': 'iothread', id: 'io0' });
  assert.equal(openAttestation(system, 'unsigned'), { config: { mode: 'unsigned' }, root: undefined, strict: false });
  const ephemeral = openAttestation(system, '');
  assert.ok(readRoot(Buffer.from(ephemeral.root ?? '')));
  assert.throws(() => openAttestation(system, 'ca1'), /No attestation authority with id 'ca1'/);
  assert.throws(() => openAttestation(system, 'io0'), /is not a nitro-attestation-ca/);
  const { config } = openAttestation(system, 'ca0');
  assert.ok(config.mode === 'signed');
  assert.is(config.region, 'eu-west-1');
  assert.is(config.leafLifetime, 600_000);
  assert.throws(() => objects.delete('ca0'), /is in use/);
});

test('options cannot be changed once the object is there', async () => {
  const { object } = await add({});
  for (const [name, value] of [
    ['dir', '/x'],
    ['region', 'x'],
    ['leaf-lifetime', 100],
  ] as const) {
    assert.throws(() => object.set(name, value), `Property '${name}' can no longer be set`);
  }
});

test.run();
