import { UserObjects } from '../qom/user-creatable.js';
import type { System, TypeRoom } from './system.js';

/** Where the user-creatable types are defined; a room is loaded when one of its types is named, or all are listed. */
const rooms: Readonly<Record<string, TypeRoom>> = {
  'memory-backend-ram': 'hostmem',
  'memory-backend-memfd': 'hostmem',
  'memory-backend-file': 'hostmem',
  iothread: 'iothread',
  secret: 'secret',
  'tls-creds-x509': 'tls-creds',
  'rng-builtin': 'rng',
  'rng-random': 'rng',
  'nitro-attestation-ca': 'attestation-ca',
};

/** Offers the rooms of the user-creatable types and returns the door to /objects. */
export function createUserObjects(system: System): UserObjects {
  system.offerTypes('hostmem', async () => (await import('../hostmem/types.js')).defineHostmemTypes(system));
  system.offerTypes('iothread', async () => (await import('./iothread.js')).defineIothreadTypes(system.types));
  system.offerTypes('secret', async () => (await import('./secret.js')).defineSecretTypes(system));
  system.offerTypes('tls-creds', async () => (await import('./tls-creds.js')).defineTlsCredsTypes(system));
  system.offerTypes('rng', async () => (await import('./rng.js')).defineRngTypes(system.types));
  system.offerTypes('attestation-ca', async () =>
    (await import('../hw/nitro/attestation-ca.js')).defineAttestationTypes(system.types),
  );
  return new UserObjects(system.tree, async (typeName) => {
    if (typeName === undefined) return system.needTypes();
    const room = rooms[typeName];
    if (room !== undefined) await system.needTypes(room);
  });
}
