import type { UserCreatableData } from '../qom/user-creatable.js';
import type { System } from '../system/system.js';
import { FileBackend, fileProperties } from './file.js';
import { MemfdBackend, memfdProperties } from './memfd.js';
import { backendProperties } from './properties.js';
import { RamBackend } from './ram.js';

export function defineHostmemTypes(system: System): void {
  const { types } = system;
  const data: UserCreatableData = { requiredOptions: ['size'], createdLate: true };
  const fileData: UserCreatableData = { ...data, requiredOptions: ['size', 'mem-path'] };
  types.define({
    name: 'memory-backend',
    parent: 'object',
    abstract: true,
    interfaces: ['user-creatable'],
    data: { ...data },
    properties: backendProperties,
  });
  types.define({
    name: 'memory-backend-ram',
    parent: 'memory-backend',
    create: (type) => new RamBackend(type, system),
  });
  types.define({
    name: 'memory-backend-memfd',
    parent: 'memory-backend',
    create: (type) => new MemfdBackend(type, system),
    properties: memfdProperties,
  });
  types.define({
    name: 'memory-backend-file',
    parent: 'memory-backend',
    create: (type) => new FileBackend(type, system),
    data: { ...fileData },
    properties: fileProperties,
  });
}
