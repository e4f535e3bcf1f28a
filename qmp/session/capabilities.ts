import { enumeration, list, optional, struct } from '../../src/qom/qapi.js';

export const QMPCapability = enumeration('QMPCapability', ['oob']);

/** Arguments of qmp_capabilities. */
export const capabilitiesArguments = struct('q_obj_qmp_capabilities-arg', { enable: optional(list(QMPCapability)) });
