// The import rules of docs/architecture.md, as a check that fails the lint step.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';

const rooms = ['src', 'qmp', 'machines', 'accel'];
const compositionRoot = (file) => file === 'src/main.ts' || file.startsWith('src/bin/') || file.endsWith('.worker.ts');
// Protocol cores: bytes in, bytes out.
const core = (file) =>
  /^(src\/eif\/codec|src\/attestation|qmp\/json|qmp\/session|qmp\/schema|qmp\/client\/session|qmp\/transports)(\/|\.ts$)/.test(
    file,
  );
// Machine and accelerator modules, loaded by name like one from outside the tree.
const module = (file) => /^machines\/[^/]+\.ts$|^accel\/[^/]+\/module\.ts$/.test(file);
const hostModules = /^(node:)?(fs|net|tls|http|https|child_process|worker_threads|os|dgram|tty|fs\/promises)$/;

const problems = [];
for (const room of rooms) {
  for (const name of await readdir(room, { recursive: true }).catch(() => [])) {
    if (!name.endsWith('.ts')) continue;
    const file = join(room, name);
    const text = await readFile(file, 'utf8');
    const imports =
      /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\s\S]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g;
    for (const match of text.matchAll(imports)) {
      const typeOnly = match[1] !== undefined;
      const spec = match[2] ?? match[3];
      const target = spec.startsWith('.') ? normalize(join(dirname(file), spec)) : undefined;
      const to = target?.split('/')[0];
      const fail = (why) => problems.push(`${file}: imports ${spec}: ${why}`);
      if (spec === 'koffi' && !file.startsWith('src/host/')) fail('only src/host may import koffi');
      if (compositionRoot(file)) continue;
      if (room === 'src' && to !== undefined && to !== 'src') fail('src never imports qmp, machines or accel');
      if (room === 'qmp' && (to === 'machines' || to === 'accel'))
        fail('qmp reaches machines and accelerators through QOM and src/system');
      if ((room === 'machines' || room === 'accel') && to === 'qmp')
        fail('machines and accelerators do not know the monitor');
      if (room === 'machines' && to === 'accel' && target !== 'accel/accel.js')
        fail('machines know accelerators by accel/accel.ts only');
      if (
        module(file) &&
        !typeOnly &&
        target !== undefined &&
        (room === 'machines' || !target.startsWith(`${dirname(file)}/`))
      )
        fail('a module gets what it needs as an argument and imports nothing of ours but types');
      if (core(file) && (hostModules.test(spec) || target?.startsWith('src/host/')))
        fail('a protocol core has no host imports');
      if (spec === 'yargs-parser' && !/^(src\/cli|src\/bin|qmp\/client)\//.test(file))
        fail('command lines are parsed in src/cli');
    }
  }
}
if (problems.length > 0) {
  console.error(problems.join('\n'));
  console.error(`${problems.length} import rule(s) broken; see docs/architecture.md`);
  process.exit(1);
}
console.log('import rules hold');
