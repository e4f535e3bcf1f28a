export { Container, QomObject } from './object.js';
export { objectAt, resolveLink, resolvePath } from './path.js';
export { prop, qdevProp } from './property.js';
export * as qapi from './qapi.js';
