import { addChardev } from '../../src/chardev/create.js';
import { createChardevSystem, Pump, pattern } from './chardevs.js';

/**
 * A program with a stdio chardev, for tests to run. Arguments: JSON of the chardev's options; a number of bytes to write
 * first. It answers what it reads in capitals; `q` ends it in order, `!` with an uncaught error.
 */
const [options = '{}', count = '0'] = process.argv.slice(2);
const { system } = createChardevSystem();
const chardev = await addChardev(system, 'stdio', { type: 'stdio', data: JSON.parse(options) });

class Echo extends Pump {
  override receive(data: Uint8Array): void {
    const text = Buffer.from(data).toString('latin1');
    this.port?.write(Buffer.from(text.toUpperCase(), 'latin1'));
    if (text.includes('q')) void end();
    if (text.includes('!')) throw new Error('on purpose');
  }

  override closed(): void {
    void end();
  }
}

const echo = new Echo(chardev, pattern(Number(count)));
process.on('SIGINT', () => {
  echo.port?.write(Buffer.from('<SIGINT>'));
  void end();
});
echo.start();
process.stderr.write('ready\n');

async function end(): Promise<void> {
  const { eventually } = await import('./deadline.js');
  await eventually('the writer to be done', () => echo.done, 60_000);
  await system.dispose();
  process.stderr.write(`most ${echo.mostQueued}\n`);
  process.exit(0);
}
