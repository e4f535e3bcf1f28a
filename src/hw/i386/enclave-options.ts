import { type MaybePromise, type Property, prop } from '../../qom/property.js';
import * as qapi from '../../qom/qapi.js';
import { QemuError } from '../../system/errors.js';
import { int64 } from '../../system/json.js';
import { Machine } from '../../system/machine.js';
import { isGuestCid } from '../virtio/vsock/device.js';
import type { VsockProperties } from '../virtio/vsock/options.js';

/** Text properties and what they mean. */
const texts = {
  id: 'Identifier of the enclave: the module id of its NSM',
  'parent-role': 'IAM role of the parent instance, measured into PCR3',
  'parent-id': 'Identifier of the parent instance, measured into PCR4',
  vsock: 'Id of a chardev that leads to a vhost-user-vsock back end; without it vsock ends in this process',
  'vsock-uds': "Vsock by unix sockets: PATH with 'CONNECT PORT' to the guest, PATH_PORT from it",
  'vsock-forward-cid': 'Vsock by AF_VSOCK: the CID that connections of the guest go to, 1 for this host',
  'vsock-forward-listen':
    'Vsock by AF_VSOCK: ports PORT[+PORT...] of this host that lead to the same ports of the guest',
  'vsock-tcp-listen': 'Vsock by TCP: HOST:PORT-GUESTPORT[+...] where this host listens for the guest',
  'vsock-tcp-connect': 'Vsock by TCP: GUESTPORT-HOST:PORT[+...] where connections of the guest go',
  attestation:
    'Who signs attestation documents: id of a nitro-attestation-ca, or `unsigned`; without it a root for this run',
} as const;
type TextOption = keyof typeof texts;

const vsockNames = [
  'vsock-uds',
  'vsock-forward-cid',
  'vsock-forward-listen',
  'vsock-tcp-listen',
  'vsock-tcp-connect',
] as const satisfies readonly (keyof VsockProperties)[];

/** Switches, their defaults and what they mean. */
const switches = {
  heartbeat: [true, "Answer the enclave's heartbeat, unless its port is the vsock back end's"],
  'debug-mode': [false, 'All PCRs of the NSM are zero, as for an enclave with a console'],
  'force-legacy': [false, 'Virtio transports of version 1'],
  'isa-serial': [true, 'A serial port'],
  'auto-kernel-cmdline': [true, 'Name the virtio transports on the command line of the kernel'],
} as const;
type Switch = keyof typeof switches;

/** Parts of the board that can be there or not: what `auto` means, what there can be, and what they are. */
const modes = {
  acpi: { auto: false, has: [true, false], what: 'ACPI tables, power button and power-off' },
  rtc: { auto: true, has: [true, false], what: 'MC146818 clock' },
  pic: { auto: true, has: [true], what: 'i8259 interrupt controllers' },
  pit: { auto: true, has: [true], what: 'i8254 timer' },
  ioapic2: { auto: false, has: [false], what: 'Second I/O APIC' },
  pcie: { auto: false, has: [false], what: 'PCI Express' },
  smm: { auto: false, has: [false], what: 'System management mode' },
} as const;
type Mode = keyof typeof modes;
type OnOffAuto = 'on' | 'off' | 'auto';

/** The first that the driver of a Nitro card gives out. */
const DEFAULT_CID = 16;

/** `nitro-enclave-machine` as -machine configures it; what is made of it is up to the machine. */
export abstract class EnclaveMachine extends Machine {
  readonly #texts = new Map<TextOption, string>([['id', 'i-234-enc5678']]);
  readonly #switches = new Map<Switch, boolean>();
  readonly #modes = new Map<Mode, OnOffAuto>([
    ['acpi', 'off'],
    ['pcie', 'off'],
  ]);
  #guestCid = DEFAULT_CID;

  get guestCid(): number {
    return this.#guestCid;
  }

  /** A running guest loses its connections and is told (transport reset). @param cid as isGuestCid() allows */
  setGuestCid(cid: number): MaybePromise<void> {
    this.#guestCid = cid;
  }

  text(name: TextOption): string {
    return this.#texts.get(name) ?? '';
  }

  setText(name: TextOption, value: string): void {
    this.#texts.set(name, value);
  }

  isOn(name: Switch): boolean {
    return this.#switches.get(name) ?? switches[name][0];
  }

  setSwitch(name: Switch, on: boolean): void {
    this.#switches.set(name, on);
  }

  mode(name: Mode): OnOffAuto {
    return this.#modes.get(name) ?? 'auto';
  }

  /** What says where vsock ends, if it is in this process. @throws QemuError when it is also said to be in another */
  get vsockProperties(): VsockProperties {
    const given = vsockNames.map((name) => [name, this.text(name)] as const);
    const [other] = given.find(([, value]) => value !== '') ?? [];
    if (this.text('vsock') !== '' && other !== undefined) {
      throw new QemuError(`'vsock' and '${other}' cannot be used together`, {
        hint: 'A machine has one vsock backend; that of vsock= is another process.',
      });
    }
    return Object.fromEntries(given) as unknown as VsockProperties;
  }

  /** @throws QemuError for what this machine cannot have, or be without */
  setMode(name: Mode, mode: OnOffAuto): void {
    const { has, what } = modes[name];
    if (mode !== 'auto' && !(has as readonly boolean[]).includes(mode === 'on')) {
      const sentence = mode === 'on' ? 'is not there' : 'is always there';
      throw new QemuError(`Property 'nitro-enclave-machine.${name}' doesn't take value '${mode}'`, {
        hint: `${what}: ${sentence}`,
      });
    }
    this.#modes.set(name, mode);
  }

  /** Whether the board has the part. */
  has(name: Mode): boolean {
    const mode = this.mode(name);
    return mode === 'auto' ? modes[name].auto : mode === 'on';
  }
}

const text = (name: TextOption): Property =>
  prop.string<EnclaveMachine>({
    get: (machine) => machine.text(name),
    set: (machine, value) => machine.setText(name, value),
    description: texts[name],
  });

const flag = (name: Switch): Property =>
  prop.bool<EnclaveMachine>({
    get: (machine) => machine.isOn(name),
    set: (machine, on) => machine.setSwitch(name, on),
    description: switches[name][1],
  });

const mode = (name: Mode): Property =>
  prop.enumeration(qapi.OnOffAuto)<EnclaveMachine>({
    get: (machine) => machine.mode(name),
    set: (machine, value) => machine.setMode(name, value),
    description: modes[name].what,
  });

const names = <T extends object>(table: T) => Object.keys(table) as (keyof T)[];

/** The properties of the machine beyond those of all machines. */
export const enclaveProperties: Readonly<Record<string, Property>> = Object.fromEntries([
  ...names(modes).map((name) => [name, mode(name)]),
  ...names(texts).map((name) => [name, text(name)]),
  ...names(switches).map((name) => [name, flag(name)]),
  [
    'guest-cid',
    prop.uint32<EnclaveMachine>({
      get: (machine) => machine.guestCid,
      set: (machine, cid) => {
        if (!isGuestCid(cid)) {
          throw new QemuError(`guest-cid ${int64(BigInt(cid))} is not a CID of a guest`, {
            hint: '3 to 4294967294; 0 to 2 are the hypervisor, loopback and the host',
          });
        }
        return machine.setGuestCid(cid);
      },
      description: 'CID of the enclave',
    }),
  ],
]);
