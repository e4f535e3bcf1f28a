import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { check, HostError, libc, strerror } from '../../src/host/libc.js';

const test = suite('host/libc');
const module = new URL('../../src/host/libc.js', import.meta.url).href;

test('strerror agrees with node for the errors that node knows', () => {
  const code = "for (const [n, [name]] of require('util').getSystemErrorMap()) console.log(-n, name)";
  const known = execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' }).trim().split('\n');
  for (const line of known) {
    const [errno, name] = line.split(' ');
    const number = Number(errno);
    if (number > 133) continue;
    assert.is(new HostError('open', number).code, name);
    assert.not.match(strerror(number), /^Unknown error/);
  }
});

test('the errors of the Nitro driver keep their numbers in the text', () => {
  const error = new HostError('ioctl', 272);
  assert.is(error.message, 'Unknown error 272');
  assert.is(error.errno, 272);
  assert.is(error.syscall, 'ioctl');
  assert.is(error.code, undefined);
});

test('a failed call gives its errno, and check turns it into an error', () => {
  const result = libc.close(-1);
  assert.is(result, -9);
  try {
    check('close', result);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, HostError);
    assert.equal({ ...(error as HostError) }, { name: 'HostError', syscall: 'close', errno: 9, code: 'EBADF' });
    assert.is((error as HostError).message, 'Bad file descriptor');
  }
});

test('importing the module loads no native code', () => {
  const script = `
    const { libc } = await import(${JSON.stringify(module)});
    const native = () => process.report.getReport().sharedObjects.filter((name) => name.includes('koffi')).length;
    const before = native();
    libc.close(-1);
    console.log(before, native());`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.is(output.trim(), '0 1');
});

test.run();
