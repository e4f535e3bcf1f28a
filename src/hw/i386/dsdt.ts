import {
  type Aml,
  and,
  device,
  edgeInterrupt,
  eisaId,
  integer,
  io,
  irqNoFlags,
  memory32Fixed,
  method,
  name,
  nameString,
  notify,
  pack,
  register,
  resourceTemplate,
  scope,
  string,
  when,
} from './aml.js';
import { ged, RTC_IRQ, RTC_PORT, SERIAL_IRQ, SERIAL_PORT, VIRTIO_MMIO_SIZE, type VirtioSlot } from './memory-layout.js';

const STATUS_PRESENT_ENABLED_SHOWN_WORKING = 0x0f;
/** Notification of a pressed button (ACPI specification, section 5.6.6). */
const BUTTON_PRESSED = 0x80;

/**
 * The definition block of the machine's devices: what QEMU's microvm has, without fw_cfg (hw/i386/acpi-microvm.c).
 *
 * @param panicPort of the panic device, if there is one
 */
export function dsdtTerms(slots: readonly VirtioSlot[], panicPort?: number): Aml {
  const panic = panicPort === undefined ? [] : [panicDevice(panicPort)];
  const devices = [serial(), rtc(), ...panic, eventDevice(), powerButton(), ...slots.map(transport)];
  const s5 = name('_S5', pack(integer(ged.sleepTypeS5), integer(0), integer(0), integer(0)));
  return [...scope('_SB', ...devices), ...scope('\\', s5)];
}

const serial = () =>
  device(
    'COM1',
    name('_HID', eisaId('PNP0501')),
    name('_UID', integer(1)),
    name('_STA', integer(STATUS_PRESENT_ENABLED_SHOWN_WORKING)),
    name('_CRS', resourceTemplate(io(SERIAL_PORT, 8), irqNoFlags(SERIAL_IRQ))),
  );

const rtc = () =>
  device('RTC', name('_HID', eisaId('PNP0B00')), name('_CRS', resourceTemplate(io(RTC_PORT, 8), irqNoFlags(RTC_IRQ))));

const panicDevice = (port: number) =>
  device(
    'PEVT',
    name('_HID', string('QEMU0001')),
    name('_STA', integer(STATUS_PRESENT_ENABLED_SHOWN_WORKING)),
    name('_CRS', resourceTemplate(io(port, 1))),
  );

const eventDevice = () =>
  device(
    'GED',
    name('_HID', string('ACPI0013')),
    name('_UID', string('GED')),
    name('_CRS', resourceTemplate(edgeInterrupt(ged.irq))),
    register('EREG', 'ESEL', ged.selector),
    // Reading the selector clears it, so it is read once.
    method('_EVT', 1, when(and(nameString('ESEL'), integer(ged.powerDown)), notify('PWRB', BUTTON_PRESSED))),
  );

const powerButton = () => device('PWRB', name('_HID', eisaId('PNP0C0C')), name('_UID', integer(0)));

/** Edges, where QEMU says levels: an irqfd pulses the line, and a pulse before the guest's EOI is lost on a level pin. */
const transport = ({ index, base, irq }: VirtioSlot) =>
  device(
    `VR${index.toString().padStart(2, '0')}`,
    name('_HID', string('LNRO0005')),
    name('_UID', integer(index)),
    name('_CCA', integer(1)),
    name('_CRS', resourceTemplate(memory32Fixed(base, VIRTIO_MMIO_SIZE), edgeInterrupt(irq))),
  );
