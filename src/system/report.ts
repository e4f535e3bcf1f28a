import { asError, QemuError } from './errors.js';

/** Where an error comes from: `-device x`, `file.ini:2`; put between the program's name and the sentence. */
export type Location = { readonly text: string } | { readonly file: string; readonly line: number } | undefined;

export interface Reporter {
  error(error: unknown, location?: Location): void;
  warn(text: string, location?: Location): void;
  info(text: string): void;
  /** A line as it is, without the program's name. */
  line(text: string): void;
}

export interface ReporterOptions {
  readonly program: string;
  readonly write: (text: string) => void;
  /** `-msg timestamp=on`: ISO 8601 in UTC before each message. */
  timestamp?: boolean;
  /** `-msg guest-name=on`: the name given with -name. */
  guestName?: string;
  readonly now?: () => Date;
}

function origin(program: string, location: Location): string {
  if (location === undefined) return `${program}: `;
  return 'text' in location ? `${program}: ${location.text}: ` : `${program}:${location.file}:${location.line}: `;
}

/** Messages for the user in QEMU's form: `PROGRAM: [LOCATION: ]SENTENCE`, hints on lines of their own. */
export function createReporter(options: ReporterOptions): Reporter {
  const now = options.now ?? (() => new Date());
  const prefix = (location: Location): string => {
    const stamp = options.timestamp === true ? `${now().toISOString().replace('Z', '')}000Z ` : '';
    const guest = options.guestName === undefined ? '' : `${options.guestName} `;
    return stamp + guest + origin(options.program, location);
  };
  return {
    error(thrown, location) {
      const error = asError(thrown);
      const hint = error instanceof QemuError && error.hint !== undefined ? `${error.hint}\n` : '';
      options.write(`${prefix(location)}${error.message}\n${hint}`);
    },
    warn: (text, location) => options.write(`${prefix(location)}warning: ${text}\n`),
    info: (text) => options.write(`${prefix(undefined)}info: ${text}\n`),
    line: (text) => options.write(`${text}\n`),
  };
}
