import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionGroups } from '../../src/cli/groups.js';
import { parseRtc } from '../../src/cli/rtc.js';
import { thrown } from '../support/thrown.js';

const test = suite('cli/rtc');
const NOW = Date.UTC(2026, 10, 23, 12, 0, 0);

function rtc(text: string, now = NOW): number {
  const opts = new OptionGroups().get('rtc').parse(text, { text: '-rtc' }, () => {});
  if (opts === undefined) throw new Error('help');
  return parseRtc(opts, now);
}

test('the clock begins with the time of the host in UTC, in its zone, or with a date', () => {
  assert.is(rtc('base=utc,clock=host,driftfix=slew'), 0);
  assert.is(rtc('base=localtime'), -new Date(NOW).getTimezoneOffset() * 60_000);
  assert.is(rtc('base=2026-11-24T12:00:00'), 86_400_000);
  assert.is(rtc('base=2026-11-23'), -43_200_000);
});

test('every date is what Date reads it as', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date(Date.UTC(2399, 0)), noInvalidDate: true }), (date) => {
      const text = date.toISOString().slice(0, 19);
      assert.is(rtc(`base=${text}`) + NOW, Date.parse(`${text}Z`));
    }),
  );
});

test('what is none is refused', async () => {
  for (const text of ['base=now', 'base=2026-11', 'base=2026-11-23 12:00', 'base=2026-11-23T12:00']) {
    assert.is((await thrown(() => rtc(text))).message, 'invalid datetime format');
  }
  assert.is((await thrown(() => rtc('clock=moon'))).message, "invalid option value 'moon'");
  assert.is((await thrown(() => rtc('driftfix=fast'))).message, "invalid option value 'fast'");
});

test.run();
