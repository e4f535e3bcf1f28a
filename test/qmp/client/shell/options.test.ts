import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { helpText, parseOptions, UsageError } from '../../../../qmp/client/shell/options.js';

const options = suite('nitro-qmp command line');
const defaults = {
  endpoint: { path: 's' },
  commands: [],
  watch: false,
  hmp: false,
  compact: false,
  waitMs: 0,
  timeoutMs: 60_000,
};

for (const [argv, expected] of [
  [['s'], {}],
  [['s', '--watch', '--hmp', '--compact'], { watch: true, hmp: true, compact: true }],
  [['-c', 'a b="c d"', 's', '--command', '"x"', '-c', '7'], { commands: ['a b="c d"', '"x"', '7'] }],
  [['--wait', '0.5', '--timeout=1.0005', 's'], { waitMs: 500, timeoutMs: 1001 }],
  [['--', 's'], {}],
  [['-c', '{"execute": "x"}', 's'], { commands: ['{"execute": "x"}'] }],
  [['12'], { endpoint: { path: '12' } }],
  [['ws://h/'], { endpoint: { url: 'ws://h/' } }],
  [['ws://h/', '--token', '007'], { endpoint: { url: 'ws://h/', token: '007' } }],
] as const) {
  options(argv.join(' '), () => {
    assert.equal(parseOptions([...argv], {}), { ...defaults, ...expected });
  });
}

options('the token comes from the environment unless it is given, and only where it is of use', () => {
  const env = { NITRO_QMP_TOKEN: 'e' };
  assert.equal(parseOptions(['ws://h/'], env), { ...defaults, endpoint: { url: 'ws://h/', token: 'e' } });
  assert.equal(parseOptions(['ws://h/', '--token=g'], env), { ...defaults, endpoint: { url: 'ws://h/', token: 'g' } });
  assert.equal(parseOptions(['s'], env), defaults);
});

for (const [argv, why] of [
  [[], 'the endpoint is missing'],
  [['a', 'b'], "'b' is one endpoint too many"],
  [['--bogus', 's'], "unknown option '--bogus'"],
  [['-x', 's'], "unknown option '-x'"],
  [['--no-watch', 's'], "unknown option '--no-watch'"],
  [['--__proto__=1', 's'], 'unknown option'],
  [['s', '-c'], "option '--command' needs a value"],
  [['s', '--timeout'], "option '--timeout' needs a value"],
  [['s', '--timeout', 'soon'], "option '--timeout' takes seconds, not 'soon'"],
  [['s', '--timeout', '-1'], 'option'],
  [['s', '--timeout', '0'], "option '--timeout' cannot be 0"],
  [['s', '--timeout', '1e9'], "option '--timeout' takes seconds, not '1e9'"],
  [['s', '--wait', '99999999999'], "option '--wait' takes seconds"],
  [['s', '--wait', '1', '--wait', '2'], "option '--wait' is given 2 times"],
  [['s', '--token', 't'], "option '--token' is for ws:// and wss:// only"],
  [['tcp:x'], "'tcp:x' is not HOST:PORT"],
] as const) {
  options(`${argv.join(' ')} is refused: ${why}`, () => {
    try {
      parseOptions([...argv], {});
    } catch (error) {
      assert.instance(error, UsageError);
      assert.match((error as Error).message, why);
      return;
    }
    assert.unreachable('it was accepted');
  });
}

options('-h is help whatever else there is, and the text names every option', () => {
  assert.is(parseOptions(['-h'], {}), 'help');
  assert.is(parseOptions(['--help', 's', '-c', 'x'], {}), 'help');
  for (const name of ['command', 'watch', 'hmp', 'compact', 'wait', 'timeout', 'token', 'help']) {
    assert.match(helpText, `--${name}`);
  }
});

options.run();
