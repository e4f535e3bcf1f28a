/** What AWS's reader demands (spec eif.md, section 8). */
const topLevel = ['ImageName', 'ImageVersion', 'BuildMetadata', 'DockerInfo', 'CustomMetadata'];
const build = ['BuildTime', 'BuildTool', 'BuildToolVersion', 'OperatingSystem', 'KernelVersion'];

/**
 * Says what is wrong with the payload of a metadata section, or undefined. Right are the JSON text `null`, the empty
 * object that QEMU writes, and an object with every field that AWS's reader demands.
 */
export function metadataProblem(payload: Uint8Array): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch (error) {
    return `not JSON: ${error instanceof Error ? error.message : error}`;
  }
  if (value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) return 'not a JSON object';
  const members = value as Record<string, unknown>;
  if (Object.keys(members).length === 0) return undefined;
  const missing = topLevel.filter((key) => !Object.hasOwn(members, key));
  const { BuildMetadata } = members;
  if (typeof BuildMetadata === 'object' && BuildMetadata !== null) {
    const inner = BuildMetadata as Record<string, unknown>;
    missing.push(...build.filter((key) => typeof inner[key] !== 'string').map((key) => `BuildMetadata.${key}`));
  }
  return missing.length === 0 ? undefined : `lacks ${missing.join(', ')}, which AWS's tools demand`;
}
