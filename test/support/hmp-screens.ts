import { readTestData } from './schema.js';

/** A command of the human monitor and what a recorded QEMU showed; empty output reads as one newline. */
export interface Screen {
  readonly command: string;
  readonly output: string;
}

/** The screens of `test/qmp/data/NAME`, in order. */
export function recordedScreens(name: string): Screen[] {
  return readTestData(name)
    .split(/^\(qemu\) /m)
    .slice(1)
    .map((screen) => {
      const end = screen.indexOf('\n');
      return { command: screen.slice(0, end), output: screen.slice(end + 1) };
    });
}

/** Output in the form of the recording. */
export function asScreen(output: string): string {
  return output.endsWith('\n') ? output : `${output}\n`;
}
