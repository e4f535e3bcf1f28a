import { type Bus, busName } from '../../../src/qdev/bus.js';
import type { Device } from '../../../src/qdev/device.js';
import type { QomObject } from '../../../src/qom/object.js';
import type { JsonValue } from '../../../src/system/json.js';
import { writeJson } from '../../json/writer.js';

/** A property's value as `info qtree` shows it: text quoted, numbers also in hexadecimal. */
export function valueText(value: JsonValue): string {
  if (typeof value === 'number' || typeof value === 'bigint')
    return `${value} (0x${BigInt.asUintN(64, BigInt(value)).toString(16)})`;
  return writeJson(value);
}

async function propertyLines(device: QomObject, indent: string): Promise<string> {
  let text = '';
  for (const [name, property] of device.properties()) {
    if (property.flavour !== 'qdev' || property.get === undefined) continue;
    text += `${indent}${name} = ${valueText(await property.get(device))}\n`;
  }
  return text;
}

const digits = (value: bigint): string => value.toString(16).padStart(16, '0');

async function deviceText(device: Device, indent: string, brief: boolean): Promise<string> {
  let text = `${indent}dev: ${device.type.name}, id "${device.id ?? ''}"\n`;
  if (!brief) {
    for (const line of device.gpios) text += `${indent}  ${line}\n`;
    text += await propertyLines(device, `${indent}  `);
    for (const window of device.windows) text += `${indent}  mmio ${digits(window.absolute)}/${digits(window.size)}\n`;
  }
  for (const bus of device.childBuses) text += await busText(bus, `${indent}  `, brief);
  return text;
}

/** The device tree below a bus (QEMU: qdev-monitor.c, qbus_print). */
export async function busText(bus: Bus, indent: string, brief: boolean): Promise<string> {
  let text = `${indent}bus: ${busName(bus)}\n${indent}  type ${bus.type.name}\n`;
  for (const device of bus.devices()) text += await deviceText(device, `${indent}  `, brief);
  return text;
}
