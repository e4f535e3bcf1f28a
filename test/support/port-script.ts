import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { IoWindow } from '../../src/system/io-bus.js';
import type { IrqLine } from '../../src/system/irq.js';
import { deadline } from './deadline.js';

/** An access of a byte register: a read, or a write of `value`. */
export interface PortAccess {
  readonly port: number;
  readonly value?: number | undefined;
}

/** What came of an access: the value read (absent for a write), and the level of the device's interrupt line after it. */
export interface PortResult {
  readonly read?: number;
  readonly line: boolean;
}

/** Numbers from 0 to 2^32 - 1, the same for the same seed (xorshift32). */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** A line whose level is looked at. */
export class LevelIrq implements IrqLine {
  up = false;
  /** How often it has risen. */
  edges = 0;

  raise(): void {
    if (!this.up) this.edges += 1;
    this.up = true;
  }

  lower(): void {
    this.up = false;
  }

  pulse(): void {
    this.raise();
    this.lower();
  }
}

/** Runs accesses on a window of ours. @param line the level of its interrupt output now */
export function runHere(
  window: IoWindow,
  base: number,
  line: () => boolean,
  script: readonly PortAccess[],
): PortResult[] {
  return script.map(({ port, value }) => {
    const data = Uint8Array.of(value ?? 0);
    if (value !== undefined) window.write(port - base, data);
    else window.read(port - base, data);
    return { ...(value === undefined ? { read: data[0] ?? 0 } : {}), line: line() };
  });
}

/** A PC under Debian's QEMU whose CPU halts; its ports are accessed by the monitor. */
export async function qemuPorts(dir: string) {
  const firmware = new Uint8Array(0x10000);
  // At the reset vector: cli; hlt; jmp to the hlt.
  firmware.set([0xfa, 0xf4, 0xeb, 0xfd], 0xfff0);
  const bios = join(dir, 'halt.bin');
  writeFileSync(bios, firmware);
  const args = '-M pc -accel tcg -nodefaults -serial null -display none -qmp stdio -bios'.split(' ');
  const qemu = spawn('qemu-system-x86_64', [...args, bios], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: qemu.stdout })[Symbol.asyncIterator]();
  let resets = 0;
  const next = async (what: string): Promise<{ return?: unknown; error?: unknown }> => {
    const { value = '{}' } = (await deadline(`QEMU's answer to ${what}`, lines.next())) as { value?: string };
    const message = JSON.parse(value);
    if (message.event === 'RESET') resets += 1;
    return message;
  };
  const command = async (execute: string, args: object = {}): Promise<unknown> => {
    qemu.stdin.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    for (;;) {
      const answer = await next(execute);
      if (answer.error !== undefined) throw new Error(JSON.stringify(answer));
      if ('return' in answer) return answer.return;
    }
  };
  const reset = async (): Promise<void> => {
    const before = resets;
    await command('system_reset');
    // It may come after the answer.
    while (resets === before) await next('system_reset');
  };
  const hmp = async (line: string): Promise<string> =>
    String(await command('human-monitor-command', { 'command-line': line }));
  await command('qmp_capabilities');
  const read = async (port: number): Promise<number> => Number((await hmp(`i /b ${port}`)).split('=')[1]);
  const write = async (port: number, value: number): Promise<void> => void (await hmp(`o /b ${port} ${value}`));

  return {
    command,
    read,
    write,
    /** Runs a script on the machine after a reset. @param irq 3 to 7: its level is read from the interrupt controller */
    async run(script: readonly PortAccess[], irq: number): Promise<PortResult[]> {
      await reset();
      // Level-triggered, so that the request register of the controller shows the line.
      await write(0x4d0, 1 << irq);
      await write(0x20, 0x0a);
      const results: PortResult[] = [];
      for (const { port, value } of script) {
        const value8 = value === undefined ? { read: await read(port) } : {};
        if (value !== undefined) await write(port, value);
        // The time-out of received characters: four of them at the fastest rate take 0.4 ms.
        await new Promise((resolve) => setTimeout(resolve, 2));
        results.push({ ...value8, line: ((await read(0x20)) & (1 << irq)) !== 0 });
      }
      return results;
    },
    async close(): Promise<void> {
      qemu.kill('SIGKILL');
      await once(qemu, 'close');
    },
  };
}
