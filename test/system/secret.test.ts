import { createCipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { JsonObject } from '../../src/system/json.js';
import { secretBytes } from '../../src/system/secret.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { createTestSystem } from '../support/system.js';
import { thrown } from '../support/thrown.js';

const test = suite('system/secret');
const directory = mkdtempSync(join(tmpdir(), 'secret-'));
test.after(() => rmSync(directory, { recursive: true }));

function setUp() {
  const { system } = createTestSystem();
  const objects = createUserObjects(system);
  const add = (id: string, options: JsonObject) => objects.add({ 'qom-type': 'secret', id, ...options });
  const message = async (options: JsonObject) => (await thrown(() => add('s', options))).message;
  return { add, message, bytes: (id: string) => secretBytes(system.tree, id), objects };
}

test('raw, base64 and file contents are kept byte for byte', async () => {
  const { add, bytes } = setUp();
  const content = randomBytes(48);
  const file = join(directory, 'key');
  writeFileSync(file, content);
  await add('raw', { data: 'päss' });
  await add('base64', { data: content.toString('base64'), format: 'base64' });
  await add('file', { file });
  await add('empty', { data: '' });
  assert.is(bytes('raw').toString(), 'päss');
  assert.equal(bytes('base64'), content);
  assert.equal(bytes('file'), content);
  assert.is(bytes('empty').length, 0);
});

test('what libvirt encrypts with its master key comes out again, whatever it is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (plain) => {
      const { add, bytes } = setUp();
      const [key, iv] = [randomBytes(32), randomBytes(16)];
      const cipher = createCipheriv('aes-256-cbc', key, iv);
      const data = Buffer.concat([cipher.update(plain), cipher.final()]).toString('base64');
      await add('masterKey0', { data: key.toString('base64'), format: 'base64' });
      await add('s', { data, keyid: 'masterKey0', iv: iv.toString('base64'), format: 'base64' });
      assert.equal(bytes('s'), Buffer.from(plain));
    }),
    { numRuns: 50 },
  );
});

test('what cannot be a secret is refused in QEMU words', async () => {
  const { add, message, objects } = setUp();
  const key = Buffer.alloc(32).toString('base64');
  const iv = Buffer.alloc(16).toString('base64');
  await add('k', { data: key, format: 'base64' });
  await add('short', { data: 'short' });
  await objects.add({ 'qom-type': 'iothread', id: 'io' });
  const rows: [JsonObject, string][] = [
    [{}, "Either 'file' or 'data' must be provided"],
    [{ data: 'a', file: 'b' }, "'file' and 'data' are mutually exclusive"],
    [
      { file: '/nonexistent' },
      'Unable to read /nonexistent: Failed to open file “/nonexistent”: No such file or directory',
    ],
    [{ file: '/' }, 'Unable to read /: Error reading file “/”: Is a directory'],
    [{ data: 'a*', format: 'base64' }, 'Base64 data contains invalid characters'],
    [{ data: 'a', keyid: 'nope' }, "No secret with id 'nope'"],
    [{ data: 'a', keyid: 'io' }, "Object with id 'io' is not a secret"],
    [{ data: 'a', keyid: 'short', iv }, 'Key should be 32 bytes in length'],
    [{ data: 'a', keyid: 'k' }, 'IV is required to decrypt secret'],
    [{ data: 'a', keyid: 'k', iv: 'AAAA' }, 'IV should be 16 bytes in length not 3'],
    [{ data: 'YQ==', keyid: 'k', iv, format: 'base64' }, 'Length 1 must be a multiple of block size 16'],
    [{ data: iv, keyid: 'k', iv, format: 'base64' }, 'Incorrect number of padding bytes (180) found on decrypted data'],
  ];
  for (const [options, sentence] of rows) assert.is(await message(options), sentence);
  const large = join(directory, 'large');
  writeFileSync(large, Buffer.alloc(1024 * 1024 + 1));
  assert.is(await message({ file: large }), `Unable to read ${large}: more than 1048576 bytes`);
});

test.run();
