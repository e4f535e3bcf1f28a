import { readFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as client from '../../../qmp/client/index.js';

const index = suite('nitro-emu/qmp');

index('docs/qmp-client.md names every class and function, and the options of the shell', async () => {
  const text = await readFile('docs/qmp-client.md', 'utf8');
  const missing = Object.keys(client).filter((name) => !text.includes(name));
  assert.equal(missing, []);
  for (const option of ['-c', '--watch', '--hmp', '--compact', '--wait', '--timeout', '--help']) {
    assert.ok(text.includes(option), option);
  }
});

index('the package gives it out with its types', async () => {
  const { exports, bin } = JSON.parse(await readFile('package.json', 'utf8'));
  assert.equal(exports['./qmp'], {
    types: './dist/qmp/client/index.d.ts',
    default: './dist/bundle/qmp/client/index.js',
  });
  assert.is(bin['nitro-qmp'], 'dist/bundle/src/bin/nitro-qmp.js');
});

index.run();
