import { openBoard } from '../../src/hw/i386/open-board.js';
import { serveBoard } from './board-thread.js';

serveBoard(openBoard);
