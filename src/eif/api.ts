export { sectionName } from './codec/header.js';
export { LOAD_OFFSET, loadEif } from './load.js';
export { measureFiles } from './measure-files.js';
