import { randomBytes } from 'node:crypto';
import { close, constants, fstat, open, unlink } from 'node:fs';
import { promisify } from 'node:util';
import { QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = constants;
const openFile = promisify(open);

/** An open backing store. */
export interface BackingFile {
  readonly fd: number;
  /** Path of a file that opening it made. */
  readonly created?: string;
}

/**
 * Opens `path`: a file, made if it is missing, or a directory, in which it becomes a file without a name.
 *
 * @param readonly opens for reading; nothing is made
 * @param label part of the short-lived name in a directory
 * @throws QemuError
 */
export async function openBackingFile(path: string, readonly: boolean, label: string): Promise<BackingFile> {
  try {
    const fd = await openFile(path, readonly ? O_RDONLY : O_RDWR);
    if (!(await promisify(fstat)(fd)).isDirectory()) return { fd };
    close(fd);
    throw new QemuError(`can't open backing store ${path} for guest RAM: Is a directory`);
  } catch (error) {
    if (error instanceof QemuError) throw error;
    try {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EISDIR') return { fd: await unnamedFile(path, label) };
      if (code !== 'ENOENT' || readonly || path === '') throw error;
      return { fd: await openFile(path, O_RDWR | O_CREAT | O_EXCL, 0o644), created: path };
    } catch (cause) {
      throw new QemuError(`can't open backing store ${path} for guest RAM: ${osErrorText(cause)}`, { cause });
    }
  }
}

async function unnamedFile(directory: string, label: string): Promise<number> {
  const name = `${directory}/qemu_back_mem.${label.replaceAll('/', '_')}.${randomBytes(6).toString('hex')}`;
  const fd = await openFile(name, O_RDWR | O_CREAT | O_EXCL, 0o600);
  await promisify(unlink)(name);
  return fd;
}

/** Closes the file, and removes it if opening it had made it. */
export async function discardBackingFile({ fd, created }: BackingFile): Promise<void> {
  await promisify(close)(fd);
  if (created !== undefined) await promisify(unlink)(created).catch(() => {});
}
