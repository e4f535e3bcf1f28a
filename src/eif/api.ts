export { LOAD_OFFSET, loadEif } from './load.js';
