import { deviceNotFound, QemuError } from '../system/errors.js';
import type { QomObject } from './object.js';

export interface Resolved {
  readonly object: QomObject | undefined;
  /** More than one object ends in the partial path. */
  readonly ambiguous: boolean;
}

function below(object: QomObject, parts: readonly string[], type: string): QomObject | undefined {
  let at: QomObject | undefined = object;
  for (const part of parts) {
    if (part === '') continue;
    at = at?.component(part);
  }
  return at?.type.isA(type) ? at : undefined;
}

/**
 * Finds an object by absolute path (`/machine/peripheral/x`) or by a partial path, which matches the end of any path
 * in the tree. Links are followed. QEMU: object_resolve_path_type.
 */
export function resolvePath(root: QomObject, path: string, type = 'object'): Resolved {
  const parts = path.split('/');
  if (path.startsWith('/')) return { object: below(root, parts, type), ambiguous: false };
  const found = new Set<QomObject>();
  const search = (from: QomObject): void => {
    const hit = path === '' ? from : below(from, parts, type);
    if (hit !== undefined) found.add(hit);
    if (found.size > 1) return;
    for (const child of from.children()) search(child);
  };
  search(root);
  const [only] = found;
  return found.size === 1 ? { object: only, ambiguous: false } : { object: undefined, ambiguous: found.size > 1 };
}

/** @throws QemuError of class DeviceNotFound when nothing, or more than one object, is found */
export function objectAt(root: QomObject, path: string): QomObject {
  const { object } = resolvePath(root, path);
  if (object === undefined) throw deviceNotFound(path);
  return object;
}

/** Finds the target of a `link<TYPE>` named `name`. @throws QemuError with QEMU's three sentences */
export function resolveLink(root: QomObject, name: string, path: string, type: string): QomObject {
  const typed = resolvePath(root, path, type);
  if (typed.ambiguous) throw new QemuError(`Path '${path}' does not uniquely identify an object`);
  if (typed.object !== undefined) return typed.object;
  const any = resolvePath(root, path);
  if (any.object !== undefined || any.ambiguous)
    throw new QemuError(`Invalid parameter type for '${name}', expected: ${type}`);
  throw deviceNotFound(path);
}
