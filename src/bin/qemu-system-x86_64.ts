#!/usr/bin/env node
import { main } from '../main.js';

await main('x86_64');
