import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HostFacts } from '../../src/host/host-facts.js';
import { Errno, type HostError, strerror } from '../../src/host/libc.js';
import { Advice, MemPolicy, Seal } from '../../src/host/memory.js';
import { connectUnix, listenUnix, type UnixSocket } from '../../src/host/unix.js';
import { connectVsock, listenVsock, VMADDR_PORT_ANY } from '../../src/host/vsock.js';
import { deadline } from '../support/deadline.js';

const test = suite('e2e/host');
const directory = mkdtempSync(join(tmpdir(), 'nitro-emu-'));
test.after(() => rmSync(directory, { recursive: true }));

const headers = [
  'sys/epoll.h',
  'sys/eventfd.h',
  'signal.h',
  'sys/mman.h',
  'sys/socket.h',
  'sys/un.h',
  'sys/time.h',
  'sys/syscall.h',
]
  .concat(['sys/uio.h', 'sys/auxv.h', 'fcntl.h', 'poll.h', 'unistd.h', 'errno.h', 'stdio.h', 'stddef.h', 'limits.h'])
  .concat(['linux/vm_sockets.h', 'linux/vm_sockets_diag.h', 'linux/netlink.h', 'linux/sock_diag.h', 'linux/memfd.h'])
  .concat(['linux/mempolicy.h', 'linux/if_alg.h', 'asm/ioctls.h', 'asm/termbits.h']);

/** Compiles and runs a C program and returns the words that it prints. */
function runC(body: string): string[] {
  const source = join(directory, 'program.c');
  const program = join(directory, 'program');
  const includes = headers.map((header) => `#include <${header}>\n`).join('');
  writeFileSync(source, `#define _GNU_SOURCE\n${includes}int main(void) {\n${body}\nreturn 0; }\n`);
  execFileSync('gcc', ['-o', program, source], { stdio: ['ignore', 'ignore', 'inherit'] });
  return execFileSync(program, { encoding: 'utf8' }).trim().split(/\s+/);
}

function python(script: string): string {
  return execFileSync('python3', ['-c', script], { encoding: 'utf8' }).trim();
}

/** Constants of the sources that are our own choices and no facts of a header. */
const ours = new Set(
  ['BATCH', 'DATA_OFFSET', 'EVENT_SIZE', 'READ_SIZE', 'READS_PER_TURN', 'JOIN_SIZE', 'ADDRESS_MAX', 'ACCEPT_PAUSE_MS']
    .concat(['SOCKADDR_VM_SIZE', 'DEFAULT_BACKLOG', 'DEFAULT_MAX_FDS', 'FDS_PER_MESSAGE', 'CMSG_HEADER', 'GIB'])
    .concat(['POPULATE_SLICE', 'HUGE_SHIFT', 'SYS_MBIND', 'HEADER_SIZE', 'REQUEST_SIZE', 'MESSAGE_SIZE', 'DUMP_SIZE'])
    .concat([
      'LISTEN',
      'OPEN_FLAGS',
      'TERMIOS_SIZE',
      'CC_OFFSET',
      'INPUT_PROCESSING',
      'LOCAL_PROCESSING',
      'CSIZE_PARENB',
    ])
    .concat(['RECONNECT_MS', 'POLLFD_SIZE', 'CPU_MAX', 'PATH_MAX', 'HUGE_PAGES_DIR']),
);

test('every constant of a C header has its value', () => {
  const named = new Map<string, number>();
  for (const name of readdirSync('src/host')) {
    const text = readFileSync(join('src/host', name), 'utf8');
    for (const match of text.matchAll(/^(?:export )?const ([A-Z][A-Z0-9_]+) = (.*?);/gm)) {
      if (!ours.has(match[1] ?? '')) named.set(match[1] ?? '', Number((match[2] ?? '').replace(/n$/, '')));
    }
  }
  for (const [name, value] of Object.entries(Errno)) named.set(name, value);
  for (const [name, value] of Object.entries(Advice)) named.set(`MADV_${name}`, value);
  for (const [name, value] of Object.entries(Seal)) named.set(`F_SEAL_${name}`, value);
  for (const [name, value] of Object.entries(MemPolicy)) named.set(`MPOL_${name.toUpperCase()}`, value);
  const names = [...named.keys()];
  assert.ok(names.length > 80, `${names.length} constants found`);
  const values = runC(names.map((name) => `printf("%u\\n", (unsigned)(${name}));`).join('\n'));
  for (const [i, name] of names.entries()) assert.is((named.get(name) ?? Number.NaN) >>> 0, Number(values[i]), name);
});

test('the structures have the layout that the sources rely on', () => {
  const layout: [expression: string, value: number][] = [
    ['sizeof(struct epoll_event)', process.arch === 'x64' ? 12 : 16],
    ['offsetof(struct epoll_event, data)', process.arch === 'x64' ? 4 : 8],
    ['sizeof(struct pollfd)', 8],
    ['offsetof(struct pollfd, revents)', 6],
    ['sizeof(struct msghdr)', 56],
    ['offsetof(struct msghdr, msg_iov)', 16],
    ['offsetof(struct msghdr, msg_iovlen)', 24],
    ['offsetof(struct msghdr, msg_control)', 32],
    ['offsetof(struct msghdr, msg_controllen)', 40],
    ['sizeof(struct cmsghdr)', 16],
    ['offsetof(struct cmsghdr, cmsg_level)', 8],
    ['offsetof(struct cmsghdr, cmsg_type)', 12],
    ['CMSG_SPACE(253 * sizeof(int))', 16 + 4 * 253 + 4],
    ['sizeof(struct iovec)', 16],
    ['sizeof(((struct sockaddr_un *)0)->sun_path)', 108],
    ['offsetof(struct sockaddr_un, sun_path)', 2],
    ['sizeof(struct sockaddr_vm)', 16],
    ['offsetof(struct sockaddr_vm, svm_port)', 4],
    ['offsetof(struct sockaddr_vm, svm_cid)', 8],
    ['sizeof(struct timeval)', 16],
    ['sizeof(struct sockaddr_storage)', 128],
    ['sizeof(struct nlmsghdr)', 16],
    ['offsetof(struct nlmsghdr, nlmsg_type)', 4],
    ['offsetof(struct nlmsghdr, nlmsg_flags)', 6],
    ['sizeof(struct vsock_diag_req)', 24],
    ['offsetof(struct vsock_diag_req, vdiag_states)', 4],
    ['sizeof(struct vsock_diag_msg)', 32],
    ['offsetof(struct vsock_diag_msg, vdiag_state)', 2],
    ['offsetof(struct vsock_diag_msg, vdiag_src_port)', 8],
    ['offsetof(struct vsock_diag_msg, vdiag_ino)', 20],
    ['sizeof(struct termios)', 36],
    ['offsetof(struct termios, c_cc)', 17],
    ['IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON', 0o2753],
    ['ECHO | ECHONL | ICANON | ISIG | IEXTEN', 0o100113],
    ['CSIZE | PARENB', 0o460],
    ['SYS_mbind', process.arch === 'arm64' ? 235 : 237],
    ['MFD_HUGE_2MB >> 26', 21],
  ];
  const values = runC(layout.map(([expression]) => `printf("%lu\\n", (unsigned long)(${expression}));`).join('\n'));
  for (const [i, [expression, value]] of layout.entries()) assert.is(value, Number(values[i]), expression);
});

test('strerror agrees with python for every errno up to 4095', () => {
  const texts = python('import os\nfor n in range(4096): print(os.strerror(n))').split('\n');
  for (const [errno, text] of texts.entries()) assert.is(strerror(errno), text);
});

test('the facts agree with getconf and lscpu', () => {
  const facts = new HostFacts();
  assert.is(facts.pageSize(), Number(execFileSync('getconf', ['PAGESIZE'])));
  const cpus = execFileSync('lscpu', ['-p=CPU,CORE,NODE'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => /^\d/.test(line))
    .map((line) => line.split(',').map(Number));
  assert.equal(
    facts.onlineCpus(),
    cpus.map(([cpu]) => cpu),
  );
  assert.is(facts.threadsPerCore(), cpus.filter(([, core]) => core === cpus[0]?.[1]).length);
  for (const [cpu, , node] of cpus) {
    if (cpu !== undefined && facts.numaNodes() !== undefined) assert.is(facts.numaNodeOfCpu(cpu), node);
  }
});

test('python and we see the same abstract socket and descriptor', async () => {
  const name = `nitro-emu-python-${process.pid}`;
  const server = listenUnix({ abstract: name });
  const accepted = once(server, 'connection');
  const child = spawn('python3', [
    '-c',
    `import socket, os
s = socket.socket(socket.AF_UNIX)
s.connect("\\0${name}")
r, w = os.pipe()
os.write(w, b"through the pipe")
socket.send_fds(s, [b"take this"], [r])
data, fds, flags, addr = socket.recv_fds(s, 100, 4)
os.write(fds[0], b"back")
`,
  ]);
  const exit = once(child, 'exit');
  const [socket] = (await deadline('python', accepted)) as [UnixSocket];
  const [data] = (await deadline('the message', once(socket, 'data'))) as [Buffer];
  assert.is(data.toString(), 'take this');
  const fd = socket.takeFd() ?? -1;
  const piped = Buffer.alloc(16);
  readSync(fd, piped);
  assert.is(piped.toString(), 'through the pipe');
  const path = join(directory, 'back');
  writeFileSync(path, '');
  const file = openSync(path, 'r+');
  socket.writeWithFds(Buffer.from('and this'), [file]);
  assert.equal((await deadline('python', exit))[0], 0);
  assert.is(readFileSync(path, 'utf8'), 'back');
  server.close();
});

test('an abstract socket of python is reached', async () => {
  const name = `nitro-emu-listen-${process.pid}`;
  const child = spawn('python3', [
    '-c',
    `import socket
s = socket.socket(socket.AF_UNIX)
s.bind("\\0${name}")
s.listen(1)
print("ready", flush=True)
s.accept()[0].sendall(b"hello")`,
  ]);
  await deadline('python', once(child.stdout, 'data'));
  const client = await deadline('connect', connectUnix({ abstract: name }));
  assert.is(String((await deadline('hello', once(client, 'data')))[0]), 'hello');
});

test('vsock bind and connect fail as they do for python', async () => {
  let port: number;
  try {
    const server = listenVsock({ port: VMADDR_PORT_ANY });
    port = server.address().port;
    const bind = (cid: number, number: number) =>
      Number(
        python(`import socket
s = socket.socket(socket.AF_VSOCK)
try:
  s.bind((${cid}, ${number})); print(0)
except OSError as e: print(e.errno)`),
      );
    assert.throws(
      () => listenVsock({ port }),
      (error: HostError) => error.errno === bind(0xffffffff, port),
    );
    assert.throws(
      () => listenVsock({ cid: 99, port: 5000 }),
      (error: HostError) => error.errno === bind(99, 5000),
    );
    server.close();
    assert.is(bind(0xffffffff, port), 0);
  } catch (error) {
    if ((error as HostError).syscall !== 'socket') throw error;
    return console.log(`\nSKIP no AF_VSOCK here: ${(error as Error).message}`);
  }
  for (const cid of [0, 2, 12345]) {
    const expected = Number(
      python(`import socket
s = socket.socket(socket.AF_VSOCK); s.settimeout(5)
try:
  s.connect((${cid}, ${port})); print(0)
except OSError as e: print(e.errno)`),
    );
    await deadline(
      'connect',
      connectVsock({ cid, port, timeoutMs: 5000 }).then(
        (socket) => assert.is(expected, 0, String(socket.destroy())),
        (error: HostError) => assert.is(error.errno, expected),
      ),
    );
  }
});

test.run();
