import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { demoEif } from '../support/boot-files.js';
import { deadline } from '../support/deadline.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('e2e/tcg-debug');
const emulator = fileURLToPath(new URL('../../bundle/src/bin/qemu-system-x86_64.js', import.meta.url));
/** The kernel's start-up code reads `init_size` of the boot parameters, and makes its first call. */
const READ_INIT_SIZE = { address: 0x7260, from: 0x100236, behind: 0x10023c };
const FIRST_CALL = { at: 0x100269, to: 0x3efb40, back: 0x10026e };

class Emulator {
  readonly #child: ChildProcess;
  readonly #dir = scratchDir();

  constructor() {
    const machine = ['-M', 'nitro-enclave', '-accel', 'tcg', '-m', '512M', '-kernel', demoEif, '-no-reboot', '-S'];
    const devices = ['-display', 'none', '-monitor', 'none', '-serial', `file:${join(this.#dir, 'console')}`];
    this.#child = spawn(process.execPath, [emulator, ...machine, ...devices, '-gdb', `unix:${this.#gdb}`], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  }

  get #gdb(): string {
    return join(this.#dir, 'gdb');
  }

  async #until(what: string, done: () => boolean): Promise<void> {
    const poll = async () => {
      while (!done()) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await deadline(what, poll(), 120_000);
  }

  async started(): Promise<void> {
    await this.#until('the socket for gdb', () => existsSync(this.#gdb));
  }

  /** Waits for text on the guest's console. */
  async shows(text: string): Promise<void> {
    const path = join(this.#dir, 'console');
    await this.#until(
      `'${text}' on the console`,
      () => existsSync(path) && readFileSync(path, 'latin1').includes(text),
    );
  }

  /** Runs commands in a real gdb. @returns what it prints */
  async debug(commands: readonly string[]): Promise<string> {
    const script = ['set pagination off', 'set architecture i386:x86-64', `target remote ${this.#gdb}`, ...commands];
    const child = spawn('gdb', ['-nx', '-batch', ...script.flatMap((command) => ['-ex', command])], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    });
    let output = '';
    child.stdout.on('data', (bytes) => (output += bytes));
    child.stderr.on('data', (bytes) => (output += bytes));
    await deadline('gdb', once(child, 'close'), 150_000);
    if (process.env.VERBOSE !== undefined) console.log(output);
    return output;
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

function hasGdb(): boolean {
  if (spawnSync('gdb', ['--version']).status === 0) return true;
  console.log('SKIP gdb is not installed');
  return false;
}

const general = ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp'];
const numbered = ['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

test('a real gdb breaks, watches, steps and changes code on the software CPU, and the guest boots on', async () => {
  if (!hasGdb()) return;
  const emulator = new Emulator();
  try {
    await emulator.started();
    const output = await emulator.debug([
      'monitor info tlb',
      `x/12i ${FIRST_CALL.at}`,
      `monitor x/12i ${FIRST_CALL.at}`,
      `monitor xp/12i ${FIRST_CALL.at}`,
      `rwatch *(int *) ${READ_INIT_SIZE.address}`,
      'continue',
      'printf "RWATCH %lx\\n", $rip',
      'delete',
      `hbreak *${FIRST_CALL.at}`,
      'continue',
      ...[...general, ...numbered, 'rip'].map((name) => `printf "REG ${name} %016lx\\n", $${name}`),
      'monitor info registers',
      'watch -l *(long *) ($rsp - 8)',
      'continue',
      'printf "WATCH %lx\\n", $rip',
      'delete',
      'stepi',
      `hbreak *${FIRST_CALL.back}`,
      'continue',
      'delete',
      // The code there was decoded with what is behind it; XOR EAX,EAX and NOP in the place of MOV RAX,CR4.
      `set {int} ${FIRST_CALL.back} = 0x2590c031`,
      'set $rax = 0x1122334455667788',
      'stepi',
      'printf "PATCHED %lx %lx\\n", $rip, $rax',
      `set {int} ${FIRST_CALL.back} = 0x25e0200f`,
      `set $rip = ${FIRST_CALL.back}`,
      'stepi',
      'printf "RESTORED %lx %d\\n", $rip, $rax == $cr4',
      'detach',
    ]);
    assert.match(output, new RegExp(`RWATCH ${READ_INIT_SIZE.behind.toString(16)}`));
    // A virtual address is a physical one here.
    const theirs = [...output.matchAll(/^(?:=>)? +0x([0-9a-f]+):\t/gm)].map(([, at = '']) => Number.parseInt(at, 16));
    const ours = [...output.matchAll(/^0x([0-9a-f]{8}): /gm)].map(([, at = '']) => Number.parseInt(at, 16));
    assert.is(theirs.length, 12);
    assert.equal(ours, [...theirs, ...theirs]);
    assert.match(output, /^0x00100269: {2}e8 d2 f8 2e 00 {11}callq {4}0x3efb40$/m);
    const pages = [...output.matchAll(/^([0-9a-f]{16}): ([0-9a-f]{16}) [-XGPDACTUW]{9}$/gm)];
    assert.ok(pages.length > 0);
    for (const [, address, physical] of pages)
      assert.is(address, physical, 'the loader maps pages at their own address');
    const shown = output.slice(output.indexOf('CPU#0'));
    for (const name of [...general, ...numbered, 'rip']) {
      const value = new RegExp(`REG ${name} ([0-9a-f]{16})`).exec(output)?.[1];
      assert.match(shown, new RegExp(`\\b${name.toUpperCase().padEnd(3)}=${value}`), `${name} is ${value}`);
    }
    assert.match(output, new RegExp(`REG rip 0*${FIRST_CALL.at.toString(16)}`));
    assert.match(output, new RegExp(`New value = ${FIRST_CALL.back}\n`));
    assert.match(output, new RegExp(`WATCH ${FIRST_CALL.to.toString(16)}`));
    assert.match(output, new RegExp(`PATCHED ${(FIRST_CALL.back + 2).toString(16)} 0\n`));
    assert.match(output, new RegExp(`RESTORED ${(FIRST_CALL.back + 3).toString(16)} 1\n`));
    await emulator.shows('Run /init');

    // In the running kernel: the handler of the local APIC's timer, through its page tables.
    const registers = await emulator.debug(['monitor info registers', 'monitor info mem', 'detach']);
    const idt = BigInt(`0x${/IDT= +([0-9a-f]+)/.exec(registers)?.[1]}`);
    const ranges = [...registers.matchAll(/^([0-9a-f]{16})-([0-9a-f]{16}) [0-9a-f]{16} ([-u]r[-w])$/gm)].map(
      ([, start, end, rights]) => ({ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), rights }),
    );
    const rightsAt = (address: bigint) => ranges.find(({ start, end }) => address >= start && address < end)?.rights;
    assert.is(rightsAt(idt), '-r-', 'Linux has its IDT in memory that it cannot write');
    assert.is(rightsAt(0n), undefined);
    const gate = await emulator.debug([`x/2gx ${hex(idt + 0xecn * 16n)}`, 'detach']);
    const [low = 0n, high = 0n] = [...gate.matchAll(/\t(0x[0-9a-f]{16})/g)].map(([, word = '0']) => BigInt(word));
    const handler = (low & 0xffffn) | ((low >> 32n) & 0xffff0000n) | ((high & 0xffffffffn) << 32n);
    assert.is(rightsAt(handler), '-r-', 'code of the kernel');
    const tick = await emulator.debug([`hbreak *${hex(handler)}`, 'continue', 'printf "TICK %lx\\n", $rip', 'detach']);
    assert.match(tick, new RegExp(`TICK ${handler.toString(16)}`));
  } finally {
    emulator.end();
  }
});

test.run();
