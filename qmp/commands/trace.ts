import { bool, enumeration, list, optional, str, struct } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import { defineCommand } from '../command.js';
import type { MonitorContext } from '../context.js';

const TraceEventState = enumeration('TraceEventState', ['unavailable', 'disabled', 'enabled']);
const TraceEventInfo = struct('TraceEventInfo', { name: str, state: TraceEventState });

/** Points whose name fits. @throws QemuError when a name that is no pattern fits none */
async function matching({ system }: MonitorContext, pattern: string): Promise<string[]> {
  // Rooms and modules declare their points when they are loaded.
  await system.needTypes();
  const names = system.trace.names(pattern);
  if (names.length === 0 && !/[*?]/.test(pattern)) throw new QemuError(`unknown event "${pattern}"`);
  return names;
}

export const commands = [
  defineCommand({
    name: 'trace-event-get-state',
    doc: 'Lists the trace points that fit a pattern and whether they are on.',
    args: struct('trace-event-get-state', { name: str }),
    returns: list(TraceEventInfo),
    handler: async (ctx, { name: pattern }) =>
      (await matching(ctx, pattern)).map((name) => ({
        name,
        state: ctx.system.trace.enabled(name) === true ? ('enabled' as const) : ('disabled' as const),
      })),
  }),

  defineCommand({
    name: 'trace-event-set-state',
    doc: 'Switches the trace points that fit a pattern.',
    args: struct('trace-event-set-state', { name: str, enable: bool, 'ignore-unavailable': optional(bool) }),
    handler: async (ctx, { name: pattern, enable }) => {
      await matching(ctx, pattern);
      ctx.system.trace.set(pattern, enable);
    },
  }),
];
