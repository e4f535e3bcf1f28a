import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline, eventually } from '../support/deadline.js';
import { type GuestOptions, KvmGuest, kvmMissing, PORT } from '../support/kvm-guest.js';

const test = suite('kvm e2e');
const missing = kvmMissing();

/** A test with a guest that is open and not started. */
function guestTest(name: string, source: string, body: (guest: KvmGuest) => Promise<void>, options?: GuestOptions) {
  test(name, async () => {
    if (missing !== undefined) {
      console.log(`SKIP ${missing}`);
      return;
    }
    const guest = new KvmGuest(source, options);
    try {
      await deadline('the machine', guest.open());
      await body(guest);
    } finally {
      await deadline('the close', guest.close());
    }
  });
}

/** Runs until the probe's ports have seen `text`. */
async function runUntil(guest: KvmGuest, text: string): Promise<void> {
  await deadline('resume', guest.vm.resume());
  await eventually(`'${text}'`, () => {
    for (const event of guest.events) if (event.type === 'internal-error') throw new Error(event.text);
    return guest.ports.text.endsWith(text);
  });
}

guestTest(
  'a guest writes to a port',
  `mov $${PORT}, %dx
   mov $'h', %al
   out %al, (%dx)
   mov $'i', %al
   out %al, (%dx)
   1: hlt
   jmp 1b`,
  async (guest) => {
    await runUntil(guest, 'hi');
    await deadline('pause', guest.vm.pause());
    const registers = await deadline('registers', guest.vm.readRegisters(0));
    assert.is(registers.halted, true);
    assert.equal(guest.events, []);
  },
);

test.run();
