/** Where each register of a transport is in its shared memory, in 32-bit words. */
export const word = {
  deviceId: 0,
  offeredLow: 1,
  offeredHigh: 2,
  legacy: 3,
  queueCount: 4,
  configSize: 5,
  registerLock: 6,
  queueLock: 7,
  status: 8,
  offeredSel: 9,
  acceptedSel: 10,
  acceptedLow: 11,
  acceptedHigh: 12,
  queueSel: 13,
  interrupt: 14,
  configGeneration: 15,
  notified: 16,
  resets: 17,
  pageSize: 18,
  claims: 19,
} as const;
export const HEADER_WORDS = 20;

/** The same for each queue, from its first word on. */
export const queueWord = {
  max: 0,
  size: 1,
  ready: 2,
  generation: 3,
  descLow: 4,
  descHigh: 5,
  driverLow: 6,
  driverHigh: 7,
  deviceLow: 8,
  deviceHigh: 9,
  align: 10,
  pfn: 11,
} as const;
export const QUEUE_WORDS = 12;
