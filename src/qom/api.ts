export { Container, QomObject } from './object.js';
export { objectAt, resolveLink, resolvePath } from './path.js';
export { aliasProperty, linkProperty, prop, qdevProp } from './property.js';
export * as qapi from './qapi.js';
