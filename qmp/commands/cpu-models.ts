import { any, bool, enumeration, list, optional, str, struct } from '../../src/qom/qapi.js';
import type { ObjectClass } from '../../src/qom/types.js';
import { QemuError } from '../../src/system/errors.js';
import { isJsonObject } from '../../src/system/json.js';
import { defineCommand } from '../command.js';
import type { MonitorContext } from '../context.js';

const CpuDefinitionInfo = struct('CpuDefinitionInfo', {
  name: str,
  'migration-safe': optional(bool),
  static: bool,
  'unavailable-features': optional(list(str)),
  typename: str,
  'alias-of': optional(str),
  deprecated: bool,
});
const CpuModelInfo = struct('CpuModelInfo', { name: str, props: optional(any) });
const CpuModelExpansionType = enumeration('CpuModelExpansionType', ['static', 'full']);
const CpuModelExpansionInfo = struct('CpuModelExpansionInfo', {
  model: CpuModelInfo,
  'deprecated-props': optional(list(str)),
});

/** CPU types by model name: `host-x86_64-cpu` is `host`. */
async function models({ system }: MonitorContext): Promise<Map<string, ObjectClass>> {
  await system.needTypes('cpu');
  return new Map(system.types.list('cpu').map((type) => [type.name.replace(/-(x86_64|arm)-cpu$/, ''), type]));
}

export const commands = [
  defineCommand({
    name: 'query-cpu-definitions',
    doc: 'Lists the CPU models.',
    returns: list(CpuDefinitionInfo),
    handler: async (ctx) => {
      const known = await models(ctx);
      return [...known].map(([name, type]) => ({
        name,
        typename: type.name,
        static: name === 'base',
        'migration-safe': name !== 'host' && name !== 'max',
        deprecated: false,
        'unavailable-features': [],
        // `EPYC` stands for its first version.
        ...(known.has(`${name}-v1`) ? { 'alias-of': `${name}-v1` } : {}),
      }));
    },
  }),

  defineCommand({
    name: 'query-cpu-model-expansion',
    doc: 'Tells what a CPU model stands for: the properties that were given.',
    args: struct('query-cpu-model-expansion', { type: CpuModelExpansionType, model: CpuModelInfo }),
    returns: CpuModelExpansionInfo,
    handler: async (ctx, { model }) => {
      if (!(await models(ctx)).has(model.name)) throw new QemuError(`CPU model '${model.name}' not found`);
      // The hypervisor decides about features: what was asked for is all that is known.
      const { name, props = {} } = model;
      if (!isJsonObject(props)) throw new QemuError("Invalid parameter type for 'model.props', expected: object");
      return { model: { name, props } };
    },
  }),
];
