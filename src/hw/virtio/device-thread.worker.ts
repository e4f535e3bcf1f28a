import { parentPort } from 'node:worker_threads';
import { Mapping } from '../../host/memory.js';
import { asError, QemuError } from '../../system/errors.js';
import { GuestMemory } from '../../system/guest-memory.js';
import { DeviceHost } from './device-host.js';
import type { CommandName, DeviceCommands, DeviceMessage, DeviceRequest, DeviceThreadPlan } from './device-plan.js';

const port = parentPort;
if (port === null) throw new Error('the device thread is started by device-thread.ts');
const send = (message: DeviceMessage): void => port.postMessage(message);
let made: DeviceHost | undefined;

function make(plan: DeviceThreadPlan): DeviceHost {
  const memory = new GuestMemory(
    plan.ram.map(({ base, size, address }) => ({ base, size, offset: 0, ram: new Mapping(address, size) })),
  );
  return new DeviceHost(plan, memory, (event) => send({ event }));
}

function host(): DeviceHost {
  if (made === undefined) throw new Error('the devices are not made');
  return made;
}

type Handlers = {
  [N in CommandName]: (...args: Parameters<DeviceCommands[N]>) => unknown;
};
const handlers: Handlers = {
  start(plan) {
    made = make(plan);
    return made.start();
  },
  bell: (bell) => host().addBell(bell),
  pause: () => host().pause(),
  resume: () => host().resume(),
  reset: () => host().reset(),
  setGuestCid: (device, cid) => host().setGuestCid(device, cid),
  state: () => host().state,
  close() {
    made?.close();
    process.exit();
  },
};

port.on('message', async ({ id, name, args }: DeviceRequest) => {
  try {
    const handler: (...args: never) => unknown = handlers[name];
    send({ id, result: await handler(...(args as never)) });
  } catch (thrown) {
    const { message } = asError(thrown);
    send({ id, error: { message, hint: thrown instanceof QemuError ? thrown.hint : undefined } });
  }
});
