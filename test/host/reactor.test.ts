import { spawn } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventfd, eventfdAdd, eventfdTake, socketPair } from '../../src/host/fd.js';
import { type HostError, libc } from '../../src/host/libc.js';
import { type Ready, type Watch, watch } from '../../src/host/reactor.js';
import { deadline, eventually } from '../support/deadline.js';

const test = suite('host/reactor');
const imports = ['reactor', 'fd', 'socket', 'libc']
  .map(
    (name) => `import * as ${name} from ${JSON.stringify(new URL(`../../src/host/${name}.js`, import.meta.url).href)};`,
  )
  .join('\n');

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
}

/** Runs a script with the host modules in a process of its own; `act` is called when it prints `ready`. */
function runChild(script: string, act?: (child: ReturnType<typeof spawn>) => void): Promise<Ending> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${imports}\n${script}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let acted = false;
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
    if (!acted && output.includes('ready')) {
      acted = true;
      act?.(child);
    }
  });
  child.stderr.on('data', (data: Buffer) => {
    output += data.toString();
  });
  const ended = new Promise<Ending>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, output })),
  );
  return deadline('the child process', ended, 30_000).finally(() => child.kill('SIGKILL'));
}

test('a watch reports what is true for as long as it is true', async () => {
  const fd = eventfd();
  const seen: Ready[] = [];
  const watching = watch(fd, { readable: true }, (ready) => seen.push(ready));
  await turns(3);
  assert.is(seen.length, 0);
  eventfdAdd(fd);
  await eventually('three reports', () => seen.length >= 3);
  assert.equal(seen[0], { readable: true, writable: false, hangup: false, error: false });
  eventfdTake(fd);
  await turns(2);
  const count = seen.length;
  await turns(5);
  assert.is(seen.length, count);
  watching.close();
  libc.close(fd);
});

test('interest can be changed, withdrawn and closed at any moment', async () => {
  const [a, b] = socketPair();
  let readable = 0;
  let writable = 0;
  const watching = watch(a, { readable: true }, (ready) => {
    if (ready.readable) readable++;
    if (ready.writable) writable++;
  });
  await turns(3);
  assert.equal([readable, writable], [0, 0]);
  watching.update({ readable: true, writable: true });
  await eventually('writable', () => writable > 0);
  assert.is(readable, 0);
  libc.write(b, Buffer.from('x'), 1);
  await eventually('both', () => readable > 0);
  watching.update({});
  await turns(2);
  const before = [readable, writable];
  await turns(5);
  assert.equal([readable, writable], before);
  watching.update({ readable: true });
  await eventually('readable again', () => readable > (before[0] ?? 0));
  watching.close();
  watching.close();
  watching.update({ readable: true });
  const last = readable;
  await turns(5);
  assert.is(readable, last);
  libc.close(a);
  libc.close(b);
});

test('a hang-up is reported to a watch that asks for nothing else, and data is not', async () => {
  const [a, b] = socketPair();
  const seen: Ready[] = [];
  const watching = watch(a, { hangup: true }, (ready) => {
    seen.push(ready);
    watching.close();
  });
  libc.write(b, Buffer.from('x'), 1);
  await turns(5);
  assert.is(seen.length, 0);
  libc.close(b);
  await eventually('hang-up', () => seen.length > 0);
  assert.is(seen[0]?.hangup, true);
  libc.close(a);
});

test('a callback may close its neighbours of the same batch', async () => {
  const fds = Array.from({ length: 8 }, () => eventfd(1));
  const watches: Watch[] = [];
  let calls = 0;
  for (const fd of fds) {
    watches.push(
      watch(fd, { readable: true }, () => {
        calls++;
        for (const other of watches) other.close();
      }),
    );
  }
  await eventually('the first callback', () => calls > 0);
  await turns(5);
  assert.is(calls, 1);
  for (const fd of fds) libc.close(fd);
});

test('promises and ticks of a callback are served before the next turn', async () => {
  const fd = eventfd(1);
  const order: string[] = [];
  const watching = watch(fd, { readable: true }, () => {
    watching.close();
    process.nextTick(() => order.push('tick'));
    Promise.resolve().then(() => order.push('promise'));
    setTimeout(() => order.push('timer'), 0);
  });
  await eventually('the timer', () => order.length === 3);
  assert.equal(order, ['tick', 'promise', 'timer']);
  libc.close(fd);
});

test('1,500 descriptors are served, each as often as the others', async () => {
  const fds = Array.from({ length: 1500 }, () => eventfd(1));
  const calls = new Map<number, number>();
  let left = 15_000;
  const watches = fds.map((fd) =>
    watch(fd, { readable: true }, () => {
      calls.set(fd, (calls.get(fd) ?? 0) + 1);
      left--;
      if (left === 0) for (const watching of watches) watching.close();
    }),
  );
  await eventually('ten rounds', () => left === 0, 60_000);
  const counts = fds.map((fd) => calls.get(fd) ?? 0);
  assert.ok(Math.min(...counts) >= 9, `the least served got ${Math.min(...counts)}`);
  assert.ok(Math.max(...counts) <= 11, `the most served got ${Math.max(...counts)}`);
  for (const fd of fds) libc.close(fd);
});

test('a busy descriptor leaves timers and other work their turn', async () => {
  const fd = eventfd(1);
  const watching = watch(fd, { readable: true }, () => {});
  const start = Date.now();
  await deadline('a timer', new Promise((resolve) => setTimeout(resolve, 20)));
  assert.ok(Date.now() - start < 5000);
  watching.close();
  libc.close(fd);
});

test('what cannot be watched is an error', () => {
  assert.throws(
    () => watch(-1, { readable: true }, () => {}),
    (error: HostError) => error.code === 'EBADF',
  );
  const fd = eventfd();
  const watching = watch(fd, { readable: true }, () => {});
  assert.throws(
    () => watch(fd, { readable: true }, () => {}),
    (error: HostError) => error.code === 'EEXIST',
  );
  watching.close();
  watch(fd, { readable: true }, () => {}).close();
  libc.close(fd);
});

const pending = 'reactor.watch(fd.eventfd(), { readable: true }, () => {});';

test('process.exit ends a process with watches pending', async () => {
  const ending = await runChild(`${pending} setTimeout(() => process.exit(7), 50);`);
  assert.equal([ending.code, ending.signal], [7, null]);
});

test('SIGTERM ends a process with watches pending, handled or not', async () => {
  const plain = await runChild(`${pending} console.log('ready');`, (child) => child.kill('SIGTERM'));
  assert.is(plain.signal, 'SIGTERM');
  const handler = "process.on('SIGTERM', () => process.exit(5));";
  const handled = await runChild(`${pending} ${handler} console.log('ready');`, (child) => child.kill('SIGTERM'));
  assert.is(handled.code, 5);
});

test('an uncaught error ends a process with watches pending', async () => {
  const ending = await runChild(`${pending} setTimeout(() => { throw new Error('outside'); }, 50);`);
  assert.is(ending.code, 1);
  assert.match(ending.output, /outside/);
});

test('an error thrown by a callback is an uncaught error', async () => {
  const ending = await runChild(
    "reactor.watch(fd.eventfd(1), { readable: true }, () => { throw new Error('inside'); });",
  );
  assert.is(ending.code, 1);
  assert.match(ending.output, /inside/);
});

test('a process stays alive for its watches and ends by itself after the last', async () => {
  const ending = await runChild(`
    const w = reactor.watch(fd.eventfd(), { readable: true }, () => {});
    const late = setTimeout(() => { console.log('alive'); w.close(); }, 100).unref();`);
  assert.equal([ending.code, ending.output.trim()], [0, 'alive']);
});

test('a watch without interest or reference holds no process', async () => {
  const ending = await runChild(`
    const callback = () => {};
    reactor.watch(fd.eventfd(), {}, callback);
    reactor.watch(fd.eventfd(), { readable: true }, callback).unref();
    const w = reactor.watch(fd.eventfd(), { readable: true }, callback);
    w.unref().ref().unref();
    const again = reactor.watch(fd.eventfd(), { readable: true }, callback);
    again.update({});
    setTimeout(() => console.log('late'), 5000).unref();`);
  assert.equal([ending.code, ending.output], [0, '']);
});

test('an idle process with watches uses no CPU', async () => {
  const ending = await runChild(`
    for (let i = 0; i < 100; i++) reactor.watch(fd.eventfd(), { readable: true }, () => {});
    setTimeout(() => {
      const start = process.cpuUsage();
      setTimeout(() => { const { user, system } = process.cpuUsage(start); console.log(user + system); process.exit(); }, 1000);
    }, 300);`);
  assert.ok(Number(ending.output) < 20_000, `${ending.output.trim()} us of CPU in a second`);
});

/** Starts a worker that runs `script`, and waits for its first message. */
async function startWorker(script: string): Promise<{ worker: Worker; exit: Promise<number> }> {
  const code = `${imports} import { parentPort } from 'node:worker_threads'; ${script}`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const exit = new Promise<number>((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  await deadline('the worker', Promise.race([new Promise((resolve) => worker.once('message', resolve)), exit]));
  return { worker, exit };
}

const busy = "reactor.watch(fd.eventfd(1), { readable: true }, () => { parentPort.postMessage('served'); });";
const idle = `${pending} parentPort.postMessage('ready');`;

test('a worker with watches pending can be terminated, busy or idle', async () => {
  for (const script of [busy, idle]) {
    const { worker, exit } = await startWorker(script);
    await deadline('terminate', worker.terminate());
    assert.is(await deadline('exit', exit), 1);
  }
});

test('a worker with watches pending can exit', async () => {
  const { exit } = await startWorker(`${busy} setTimeout(() => process.exit(4), 20);`);
  assert.is(await deadline('exit', exit), 4);
});

test('a worker serves its watches and ends by itself after the last', async () => {
  const { exit } = await startWorker(`
    const counter = fd.eventfd();
    let calls = 0;
    const w = reactor.watch(counter, { readable: true }, () => {
      fd.eventfdTake(counter);
      if (++calls === 3) { w.close(); parentPort.postMessage('done'); }
      else setTimeout(() => fd.eventfdAdd(counter), 5);
    });
    w.unref().ref();
    fd.eventfdAdd(counter);`);
  assert.is(await deadline('exit', exit), 0);
});

test('process.exit of the main thread ends busy and idle workers', async () => {
  const worker = (script: string) =>
    `new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(
      `${imports} import { parentPort } from 'node:worker_threads'; ${script}`,
    )})))`;
  const ending = await runChild(`
    import { Worker } from 'node:worker_threads';
    const workers = [${worker(busy)}, ${worker(idle)}];
    ${pending}
    await Promise.all(workers.map((w) => new Promise((resolve) => w.once('message', resolve))));
    setTimeout(() => process.exit(6), 20);`);
  assert.equal([ending.code, ending.signal], [6, null], ending.output);
});

test('an unreferenced watch that has events does not disturb the end of the process', async () => {
  const ending = await runChild(`
    const w = reactor.watch(fd.eventfd(1), { readable: true }, () => {}).unref();
    process.on('exit', () => w.close());
    setTimeout(() => {}, 20);`);
  assert.equal([ending.code, ending.signal, ending.output], [0, null, '']);
});

test.run();
