import { openBoard } from '../../src/hw/i386/open-board.js';
import { serveTcg } from './tcg-thread.js';

serveTcg(openBoard);
