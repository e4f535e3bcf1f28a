import { constants } from 'node:fs';
import { FileSink } from './file-sink.js';
import { openFile } from './open-file.js';

/** Options of a log that every backend takes. */
export interface LogOptions {
  readonly logfile?: string;
  /** Add to the file, instead of starting it anew. */
  readonly logappend?: boolean;
  /** Put the time before each line. */
  readonly logtimestamp?: boolean;
}

const NEWLINE = 0x0a;

/** A copy of what a front end writes (`logfile=`). A log that cannot be written is given up: it never stops the guest. */
export class LogFile {
  readonly #sink: FileSink;
  readonly #timestamp: boolean;
  readonly #now: () => Date;
  #lineStart = true;

  constructor(sink: FileSink, timestamp = false, now: () => Date = () => new Date()) {
    this.#sink = sink;
    this.#timestamp = timestamp;
    this.#now = now;
  }

  onDrained(drained: () => void): void {
    this.#sink.onDrained(drained);
  }

  /** @returns false when the caller should wait for `onDrained` */
  write(data: Uint8Array): boolean {
    return this.#sink.write(this.#timestamp ? this.#stamped(data) : data);
  }

  #stamped(data: Uint8Array): Uint8Array {
    const stamp = Buffer.from(`${this.#now().toISOString()} `);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < data.length; ) {
      if (this.#lineStart) parts.push(stamp);
      const end = data.indexOf(NEWLINE, at);
      const stop = end < 0 ? data.length : end + 1;
      parts.push(data.subarray(at, stop));
      this.#lineStart = end >= 0;
      at = stop;
    }
    return Buffer.concat(parts);
  }

  close(): Promise<void> {
    return this.#sink.close();
  }
}

/** Opens the log a backend asks for, if it does. @throws QemuError `Could not create 'PATH': ...` */
export function openLog({ logfile, logappend = false, logtimestamp = false }: LogOptions): LogFile | undefined {
  if (logfile === undefined) return undefined;
  const flags = constants.O_WRONLY | constants.O_CREAT | (logappend ? constants.O_APPEND : constants.O_TRUNC);
  return new LogFile(new FileSink(openFile(logfile, flags, undefined, 'create')), logtimestamp);
}
