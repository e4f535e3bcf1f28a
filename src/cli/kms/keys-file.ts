import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import type { StoredKey } from '../../kms/keys.js';
import { asError } from '../../system/errors.js';
import { isJsonObject, type JsonValue } from '../../system/json.js';

/** A JSON file. @throws Error naming it */
export async function readJson(path: string): Promise<JsonValue> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`cannot use '${path}': ${asError(error).message}`);
  }
}

/** The keys in a keys file, not checked one by one. @throws Error naming the file */
export async function readKeys(path: string): Promise<StoredKey[]> {
  const content = await readJson(path);
  if (!isJsonObject(content) || !Array.isArray(content.keys) || !content.keys.every(isJsonObject)) {
    throw new Error(`cannot use '${path}': it is not {"keys": [{...}, ...]}`);
  }
  return content.keys as unknown as StoredKey[];
}

/** Adds a key to a keys file, which is made when it is not there, for its owner only. */
export async function addKey(path: string, key: StoredKey): Promise<void> {
  const old = await readFile(path).then(
    () => readKeys(path),
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return undefined;
    },
  );
  // Another name until the content is complete; a reader never sees half a file.
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ keys: [...(old ?? []), key] }, undefined, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    if (old === undefined) await link(draft, path);
    else await rename(draft, path);
  } finally {
    await unlink(draft).catch(() => undefined);
  }
}
