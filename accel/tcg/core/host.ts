// What the core asks of the thread that runs it (module "host"); accel/tcg/imports.ts has the other side.

/** Reads 1, 2 or 4 bytes of an I/O port. */
@external("host", "portIn")
export declare function portIn(port: u32, size: u32): u32;
@external("host", "portOut")
export declare function portOut(port: u32, size: u32, value: u32): void;
/** Reads 1, 2 or 4 bytes of guest-physical memory that is not RAM. */
@external("host", "mmioRead")
export declare function mmioRead(address: f64, size: u32): u32;
@external("host", "mmioWrite")
export declare function mmioWrite(address: f64, size: u32, value: u32): void;
/** Looks at time and interrupt lines: sets INTR and NMI. Not 0 when run() shall return. */
@external("host", "poll")
export declare function poll(): u32;
/** Takes the local APIC's highest interrupt. -1 when there is none after all. */
@external("host", "takeInterrupt")
export declare function takeInterrupt(): i32;
/** The leaf's four registers in RESULT. */
@external("host", "cpuid")
export declare function cpuid(leaf: u32, subleaf: u32): void;
/** The value in RESULT; 0 when there is no such register. */
@external("host", "readMsr")
export declare function readMsr(index: u32): u32;
@external("host", "writeMsr")
export declare function writeMsr(index: u32): u32;
/** Ticks of the time stamp counter, an integer. */
@external("host", "tsc")
export declare function tsc(): f64;
/** 8 random bytes in RESULT. */
@external("host", "random")
export declare function random(): void;
/** CR8, the task priority of the local APIC, 0 to 15. */
@external("host", "getTaskPriority")
export declare function getTaskPriority(): u32;
@external("host", "setTaskPriority")
export declare function setTaskPriority(priority: u32): void;
