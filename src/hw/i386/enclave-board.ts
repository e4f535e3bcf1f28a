import { Chardev } from '../../chardev/chardev.js';
import type { Bus } from '../../qdev/bus.js';
import type { Device } from '../../qdev/device.js';
import { createDevice, plugBuiltin } from '../../qdev/device-add.js';
import { aliasProperty } from '../../qom/property.js';
import { createCpu } from '../../system/cpu.js';
import type { BellRope } from '../../system/doorbell.js';
import { QemuError } from '../../system/errors.js';
import type { System } from '../../system/system.js';
import { GedDevice } from '../acpi/ged-device.js';
import { I8042Device } from '../input/i8042/device.js';
import { IsaSerial } from '../isa/serial.js';
import { PvPanicDevice } from '../misc/pvpanic-device.js';
import { RtcDevice } from '../rtc/mc146818/device.js';
import { VirtioNsm, VirtioVsock } from '../virtio/devices.js';
import type { VirtioMmioTransport } from '../virtio/mmio-device.js';
import { vsockBackendPlan } from '../virtio/vsock/options.js';
import type { BoardPart } from './board-host.js';
import { addLocalApic } from './chip-devices.js';
import type { EnclaveMachine } from './enclave-options.js';
import { VIRTIO_TRANSPORTS, virtioSlot } from './memory-layout.js';

/** What the guest asks of the machine. */
export interface GuestRequests {
  reset(): void;
  powerOff(): void;
}

/** The devices of an enclave's machine in the object tree. */
export interface EnclaveBoard {
  readonly cpus: readonly Device[];
  /** In the order of their addresses. */
  readonly transports: readonly VirtioMmioTransport[];
  readonly nsm: VirtioNsm;
  /** Undefined when vsock is another process's. */
  readonly vsock: VirtioVsock | undefined;
  /** Presses the power button, where there is one. */
  powerDown(): void;
  /** The port of a panic device that -device added. */
  panicPort(): number | undefined;
  /** All that vCPUs touch synchronously but the transports; serial ports that -device added too. */
  parts(): BoardPart[];
  /** The transports. @param rope of the thread that serves their devices; a new one for each vCPU thread */
  transportParts(rope: () => BellRope): BoardPart[];
}

/**
 * Makes the devices, in QEMU's order (hw/i386/microvm.c, nitro_enclave.c), so that their paths are QEMU's.
 *
 * @param cpuType QOM type of the vCPUs
 * @throws QemuError for properties of the machine that do not fit together
 */
export async function addEnclaveBoard(
  system: System,
  machine: EnclaveMachine,
  cpuType: string,
  requests: GuestRequests,
): Promise<EnclaveBoard> {
  const { mainSystemBus } = system;
  const backend = vsockBackendPlan(machine.vsockProperties);
  const chardev = vsockChardev(system, machine.text('vsock'));
  const { cpus, keyboard } = await addCpus(system, machine, cpuType);
  const bridge = await plugBuiltin(system, 'isabus-bridge', mainSystemBus);
  const [isa] = bridge.childBuses;
  if (isa === undefined) throw new Error('the bridge has no bus');
  await addIoApic(system, machine);
  const transports = await addTransports(system, machine);
  const ged = machine.has('acpi') ? await plugBuiltin(system, 'acpi-ged', mainSystemBus) : undefined;
  await addIsaDevices(system, machine, isa);
  await keyboard.realize(isa);

  // The highest transport that is free: QEMU's vsock is at the last, the NSM at the one before.
  const free = () => transports.findLast(({ childBuses: [bus] }) => bus?.full === false)?.childBuses[0];
  const plug = async (type: string, properties = {}) => {
    const bus = free();
    if (bus === undefined) throw new Error('no virtio transport is free');
    return await plugBuiltin(system, type, bus, { properties });
  };
  const vsock =
    chardev === undefined
      ? await plug('virtio-vsock-device', { 'guest-cid': machine.guestCid })
      : await plug('vhost-user-vsock-device', { chardev: chardev.label });
  const nsm = await plug('virtio-nsm-device', { 'module-id': machine.text('id') });
  if (!(nsm instanceof VirtioNsm)) throw new Error('the NSM is none');
  if (vsock instanceof VirtioVsock) {
    vsock.backend = backend;
    vsock.heartbeat = machine.isOn('heartbeat');
  }
  if (ged instanceof GedDevice) {
    ged.onReset = requests.reset;
    ged.onPowerOff = requests.powerOff;
  }
  keyboard.onReset = requests.reset;
  return {
    cpus,
    transports,
    nsm,
    vsock: vsock instanceof VirtioVsock ? vsock : undefined,
    powerDown: () => {
      if (ged instanceof GedDevice) ged.powerDown();
    },
    transportParts: (rope) =>
      transports.map(({ slot, registers, device }) => ({
        space: 'mmio',
        device: { model: 'virtio-mmio', base: slot.base, registers: registers.buffer },
        ...(device === undefined ? {} : { rope }),
      })),
    panicPort: () => isa.devices().find((device) => device instanceof PvPanicDevice)?.ioport,
    parts: () => [...isa.devices(), ...(ged === undefined ? [] : [ged])].filter(isOnBoard).map((device) => device.part),
  };
}

function isOnBoard(device: Device): device is Device & { readonly part: BoardPart } {
  return [IsaSerial, RtcDevice, I8042Device, GedDevice, PvPanicDevice].some((type) => device instanceof type);
}

function vsockChardev(system: System, id: string): Chardev | undefined {
  if (id === '') return undefined;
  const chardev = system.tree.chardevs.component(id);
  if (!(chardev instanceof Chardev)) throw new QemuError(`Failed to find chardev with id ${id}`);
  return chardev;
}

/** The keyboard controller takes the place of QEMU's kvmvapic, which comes with the first CPU, so that all others have theirs. */
async function addCpus(
  system: System,
  machine: EnclaveMachine,
  cpuType: string,
): Promise<{ cpus: Device[]; keyboard: I8042Device }> {
  const cpus: Device[] = [];
  const keyboard = system.types.get('i8042')?.create();
  if (!(keyboard instanceof I8042Device)) throw new Error('type i8042 is not defined');
  for (let index = 0; index < machine.smp.cpus; index++) {
    const cpu = system.unattached.addChild('device[*]', createCpu(system.types, cpuType));
    if (index === 0) system.unattached.addChild('device[*]', keyboard);
    await addLocalApic(system, cpu, index);
    await cpu.realize();
    cpus.push(cpu);
  }
  return { cpus, keyboard };
}

async function addIoApic(system: System, machine: EnclaveMachine): Promise<void> {
  const type = system.types.get('ioapic');
  if (type === undefined) throw new Error('type ioapic is not defined');
  const ioapic = machine.addChild('ioapic', await createDevice(system, type));
  await ioapic.realize(system.mainSystemBus);
}

async function addTransports(system: System, machine: EnclaveMachine): Promise<VirtioMmioTransport[]> {
  const type = system.types.get('virtio-mmio');
  if (type === undefined) throw new Error('type virtio-mmio is not defined');
  const transports: VirtioMmioTransport[] = [];
  for (let index = 0; index < VIRTIO_TRANSPORTS; index++) {
    const transport = (await createDevice(system, type)) as VirtioMmioTransport;
    transport.slot = virtioSlot(index, machine.has('acpi'));
    if (machine.isOn('force-legacy')) transport.forceLegacy = true;
    system.unattached.addChild('device[*]', transport);
    await transport.realize(system.mainSystemBus);
    transports.push(transport);
  }
  return transports;
}

async function addIsaDevices(system: System, machine: EnclaveMachine, isa: Bus): Promise<void> {
  await plugBuiltin(system, 'isa-i8259', isa, { properties: { master: true } });
  await plugBuiltin(system, 'isa-i8259', isa);
  await plugBuiltin(system, 'isa-pit', isa);
  if (machine.has('rtc')) {
    const rtc = await plugBuiltin(system, 'mc146818rtc', isa);
    machine.addProperty(
      'rtc-time',
      aliasProperty(() => rtc, 'date'),
    );
  }
  const [serial] = system.serials;
  if (machine.isOn('isa-serial') && serial !== undefined) {
    await plugBuiltin(system, 'isa-serial', isa, { properties: { index: 0, chardev: serial.label } });
  }
}
