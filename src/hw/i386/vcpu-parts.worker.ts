/** What the vCPU threads of an accelerator from outside the tree import: docs/writing-an-accelerator.md. A file of its own in the bundle. */
export { openIrqLines } from '../intc/irq-lines.js';
export { openBoard } from './open-board.js';
