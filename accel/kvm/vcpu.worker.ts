import { openBoard } from '../../src/hw/i386/open-board.js';
import { serveVcpu } from './vcpu-thread.js';

serveVcpu(openBoard);
