/** Byte offsets in the page (SDM volume 3, table 11-1). */
export const register = {
  id: 0x20,
  version: 0x30,
  tpr: 0x80,
  arbitration: 0x90,
  ppr: 0xa0,
  eoi: 0xb0,
  logicalId: 0xd0,
  destinationFormat: 0xe0,
  spurious: 0xf0,
  isr: 0x100,
  tmr: 0x180,
  irr: 0x200,
  esr: 0x280,
  icrLow: 0x300,
  icrHigh: 0x310,
  lvt: 0x320,
  initialCount: 0x380,
  currentCount: 0x390,
  divide: 0x3e0,
} as const;

/** Bits of the error status register (11.5.3). */
export const Esr = { sendIllegalVector: 0x20, receiveIllegalVector: 0x40, illegalRegister: 0x80 } as const;
