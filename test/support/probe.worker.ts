import { serveVcpu } from '../../accel/kvm/vcpu-thread.js';
import type { BoardDevice } from '../../src/hw/i386/board.js';
import { IoBus, type IoMapping } from '../../src/system/io-bus.js';
import { probeSize, probeWindow } from './probe.js';

/** A vCPU thread whose board has probes only. */
const mapping = (device: BoardDevice): IoMapping => ({
  base: device.base,
  size: probeSize,
  window: probeWindow(device.registers),
});
serveVcpu((plan) => ({ ports: new IoBus(plan.ports.map(mapping)), mmio: new IoBus(plan.mmio.map(mapping)) }));
