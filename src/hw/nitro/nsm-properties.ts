import { type FaultName, faultNames, faultValues } from '../../attestation/faults.js';
import { PCR_COUNT } from '../../attestation/pcr-bank.js';
import type { QomObject } from '../../qom/object.js';
import { prop } from '../../qom/property.js';
import { QemuError } from '../../system/errors.js';
import type { NsmView } from '../../system/machine.js';
import { turnOn } from './inject.js';

/** Gives an object the view of an NSM: `pcr[N]`, and `x-inject-FAULT` to turn faults on and off. */
export function addNsmProperties(object: QomObject, nsm: NsmView): void {
  for (let index = 0; index < PCR_COUNT; index++) {
    const register = prop.string({
      get: async () => Buffer.from((await nsm.registers())[index]?.value ?? []).toString('hex'),
      description: `PCR${index} in hexadecimal`,
    });
    object.addProperty(`pcr[${index}]`, register);
  }
  for (const name of faultNames) {
    const meaning = faultValues[name]?.meaning;
    const value = meaning === undefined ? '' : `[,value=N] (${meaning})`;
    const fault = prop.string({
      get: () => faultText(nsm, name),
      set: (_, text) => setFault(nsm, name, text),
      description: `Fault injection: off, or on${value}[,count=N]`,
    });
    object.addProperty(`x-inject-${name}`, fault);
  }
}

function faultText({ faults }: NsmView, wanted: FaultName): string {
  const fault = faults.active().find(({ name }) => name === wanted);
  if (fault === undefined) return 'off';
  const value = faultValues[wanted] === undefined ? '' : `,value=${fault.value}`;
  return `on${value}${fault.remaining === undefined ? '' : `,count=${fault.remaining}`}`;
}

/** @throws QemuError for a text that is neither `off` nor `on[,value=N][,count=N]` */
function setFault({ faults }: NsmView, name: FaultName, text: string): void {
  if (text === 'off') {
    faults.off(name);
    return;
  }
  const parts = /^on(?:,value=(-?\d+))?(?:,count=(\d+))?$/.exec(text);
  if (parts === null) throw new QemuError(`'${text}' is neither 'off' nor 'on[,value=N][,count=N]'`);
  const [, value, count] = parts.map((part) => (part === undefined ? undefined : Number(part)));
  turnOn(faults, name, value, count);
}
