import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asError } from '../../src/system/errors.js';
import { Signal, type SystemEvent } from '../../src/system/events.js';
import { RunControl, type RunTarget } from '../../src/system/run-control.js';
import { deadline } from '../support/deadline.js';

function fixture(target: RunTarget = { start: () => {}, stop: () => {}, reset: () => {} }) {
  const events = new Signal<SystemEvent>();
  const seen: string[] = [];
  events.on((event) => {
    const detail = 'cause' in event ? event.cause : 'action' in event ? event.action : '';
    seen.push(`${event.type} ${detail}`.trim());
  });
  const run = new RunControl(events, (text) => seen.push(text));
  run.attach(target);
  return { run, seen };
}

const test = suite('run control');

test('stop and cont change the state and say so once', async () => {
  const { run, seen } = fixture();
  assert.is(run.state, 'prelaunch');
  await run.resume();
  await run.pause();
  await run.pause();
  assert.is(run.state, 'paused');
  await run.resume();
  await run.resume();
  assert.is(run.state, 'running');
  assert.equal(seen, ['resume', 'stop', 'resume']);
});

test('a shutdown ends the process with status 0', async () => {
  const { run, seen } = fixture();
  await run.resume();
  await run.requestShutdown('guest-shutdown');
  assert.is(await deadline('exit status', run.finished), 0);
  assert.equal(seen, ['resume', 'shutdown guest-shutdown']);
});

test('with -no-shutdown the machine rests in state shutdown and cannot go on without a reset', async () => {
  const { run, seen } = fixture();
  run.actions.shutdown = 'pause';
  await run.resume();
  await run.requestShutdown('guest-shutdown');
  assert.is(run.state, 'shutdown');
  assert.equal(seen, ['resume', 'shutdown guest-shutdown', 'stop']);
  const refused = await run.resume().then(
    () => 'no error',
    (error) => asError(error).message,
  );
  assert.is(refused, 'Resetting the Virtual Machine is required');
  await run.requestReset('host-qmp-system-reset');
  assert.is(run.state, 'prelaunch');
  await run.resume();
  assert.is(run.state, 'running');
});

test('quit and signals end the process also with -no-shutdown', async () => {
  const { run } = fixture();
  run.actions.shutdown = 'pause';
  await run.resume();
  await run.kill('host-signal');
  assert.is(await deadline('exit status', run.finished), 0);
});

test('-no-reboot turns a reset into a shutdown of the same cause', async () => {
  const { run, seen } = fixture();
  run.actions.reboot = 'shutdown';
  await run.resume();
  await run.requestReset('guest-reset');
  assert.equal(seen, ['resume', 'shutdown guest-reset']);
  assert.ok(run.ending);
});

test('a machine that cannot be reset is shut down instead, with the line QEMU prints', async () => {
  const { run, seen } = fixture({ start: () => {}, stop: () => {} });
  await run.resume();
  await run.requestReset('host-qmp-system-reset');
  assert.equal(seen, ['resume', 'cpus are not resettable, terminating', 'shutdown host-qmp-system-reset']);
});

test('what a panic leads to is as its action and that of a shutdown say', async () => {
  const cases = [
    ['shutdown', 'poweroff', ['guest-panicked poweroff', 'stop', 'shutdown guest-panic'], 'guest-panicked', 0],
    ['shutdown', 'pause', ['guest-panicked pause', 'stop'], 'guest-panicked', undefined],
    ['pause', 'poweroff', ['guest-panicked pause', 'stop'], 'guest-panicked', undefined],
    ['exit-failure', 'poweroff', ['guest-panicked poweroff', 'stop', 'shutdown guest-panic'], 'guest-panicked', 1],
    ['none', 'poweroff', ['guest-panicked run'], 'running', undefined],
  ] as const;
  for (const [panic, shutdown, expected, state, status] of cases) {
    const { run, seen } = fixture();
    Object.assign(run.actions, { panic, shutdown });
    await run.resume();
    await run.requestPanic();
    assert.equal(seen, ['resume', ...expected], `${panic} ${shutdown}`);
    assert.is(run.state, state);
    if (status !== undefined) assert.is(await deadline('exit status', run.finished), status);
  }
});

test('a reset that fails stops the machine for good', async () => {
  const reset = () => {
    throw new Error('no image');
  };
  const { run, seen } = fixture({ start: () => {}, stop: () => {}, reset });
  await run.resume();
  const failed = await run.requestReset('guest-reset').catch((error) => asError(error).message);
  assert.is(failed, 'no image');
  assert.is(run.state, 'internal-error');
  assert.equal(seen, ['resume', 'stop']);
});

test('a launch that fails leaves the machine where it was, and may be tried again', async () => {
  let attempts = 0;
  const { run } = fixture({
    start: () => {
      attempts += 1;
      if (attempts === 1) throw new Error('no CPUs');
    },
    stop: () => {},
  });
  const failed = await run.resume().then(
    () => 'no error',
    (error) => asError(error).message,
  );
  assert.is(failed, 'no CPUs');
  assert.is(run.state, 'prelaunch');
  await run.resume();
  assert.is(run.state, 'running');
});

test('a stop asked for while the launch is under way happens after it', async () => {
  let launched: () => void = () => {};
  const order: string[] = [];
  const { run } = fixture({
    start: () =>
      new Promise<void>((resolve) => {
        launched = () => {
          order.push('started');
          resolve();
        };
      }),
    stop: () => {
      order.push('stopped');
    },
  });
  const resumed = run.resume();
  const paused = run.pause();
  await Promise.resolve();
  launched();
  await deadline('both', Promise.all([resumed, paused]));
  assert.equal(order, ['started', 'stopped']);
  assert.is(run.state, 'paused');
});

test.run();
