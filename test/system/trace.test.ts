import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asError, QemuError } from '../../src/system/errors.js';
import { createReporter } from '../../src/system/report.js';
import { matches, Trace } from '../../src/system/trace.js';

const trace = suite('trace');

trace('a point prints only while it is on', () => {
  const lines: string[] = [];
  const t = new Trace((line) => lines.push(line));
  const fire = t.define('nitro_enclave_started', 'CID=%d flags=0x%x %s');
  fire(16, 255, 'x');
  t.set('nitro_*', true);
  fire(16, 255, 'x');
  fire(2n ** 63n, 1n, 'y');
  t.set('nitro_enclave_started', false);
  fire(17, 0, 'z');
  assert.equal(lines, [
    'nitro_enclave_started CID=16 flags=0xff x\n',
    'nitro_enclave_started CID=9223372036854775808 flags=0x1 y\n',
  ]);
});

trace('a pattern given first holds for points that come later', () => {
  const lines: string[] = [];
  const t = new Trace((line) => lines.push(line));
  t.set('nitro_h*', true);
  t.define('nitro_heartbeat_done', 'done')();
  t.define('nitro_other', 'other')();
  assert.equal(lines, ['nitro_heartbeat_done done\n']);
  assert.equal(t.names('nitro_h*'), ['nitro_heartbeat_done']);
  assert.is(t.enabled('nitro_other'), false);
  assert.is(t.enabled('nope'), undefined);
  assert.throws(() => t.set('nope', true, true), /unknown event "nope"/);
});

trace('a point declared twice is one point', () => {
  const lines: string[] = [];
  const t = new Trace((line) => lines.push(line));
  const fire = [t.define('nitro_x', '%d'), t.define('nitro_x', '%d')];
  t.set('nitro_x', true);
  for (const [i, each] of fire.entries()) each(i);
  assert.equal(lines, ['nitro_x 0\n', 'nitro_x 1\n']);
  assert.equal(t.names(), ['nitro_x']);
});

trace('patterns are shell patterns, all other characters stand for themselves', () => {
  assert.ok(matches('a?c*', 'abcdef'));
  assert.not(matches('a.c', 'abc'));
  assert.ok(matches('a[0]', 'a[0]'));
});
trace.run();

const report = suite('report');

report('messages carry program, place and hint in the form QEMU has', () => {
  const out: string[] = [];
  const r = createReporter({ program: 'qemu-system-x86_64', write: (text) => out.push(text) });
  r.error(new QemuError('bad', { hint: 'fix it' }), { text: '-device x' });
  r.error(new Error('worse'), { file: '/etc/q.ini', line: 2 });
  r.warn('careful');
  assert.equal(out, [
    'qemu-system-x86_64: -device x: bad\nfix it\n',
    'qemu-system-x86_64:/etc/q.ini:2: worse\n',
    'qemu-system-x86_64: warning: careful\n',
  ]);
});

report('-msg puts time and guest name first', () => {
  const out: string[] = [];
  const r = createReporter({
    program: 'q',
    write: (text) => out.push(text),
    timestamp: true,
    guestName: 'enc1',
    now: () => new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6)),
  });
  r.error(asError('x'));
  assert.equal(out, ['2026-01-02T03:04:05.006000Z enc1 q: x\n']);
});
report.run();
