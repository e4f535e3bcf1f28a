"""Runs a program on a terminal of its own, as its session's leader, and joins that to standard input and output.

usage: pty-bridge.py CHUNK DELAY_MS PROGRAM ARG...   (reads CHUNK bytes from the terminal every DELAY_MS milliseconds)

Descriptor 3 takes lines: `modes` asks for the terminal's, `hangup` closes it. It gives JSON lines: {"pid"}, {"modes"},
and at the end {"status", "modes"}; the status is negative after a signal.
"""
import json
import os
import pty
import select
import signal
import sys
import termios
import time

chunk, delay, program = int(sys.argv[1]), int(sys.argv[2]) / 1000, sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.close(3)
    os.execvp(program[0], program)


def say(**line):
    os.write(3, (json.dumps(line) + "\n").encode())


def modes():
    try:
        iflag, oflag, _, lflag, *_ = termios.tcgetattr(terminal)
        return {"iflag": iflag, "oflag": oflag, "lflag": lflag}
    except (termios.error, ValueError):
        return None


signal.signal(signal.SIGCHLD, lambda *_: None)
say(pid=pid)
open_ends = {0, 3, terminal}
status = None
while True:
    ready, _, _ = select.select(list(open_ends), [], [], 0.05)
    if terminal in ready:
        time.sleep(delay)
        try:
            data = os.read(terminal, chunk)
        except OSError:
            data = b""
        if data:
            os.write(1, data)
        else:
            open_ends.discard(terminal)
    if 0 in ready:
        data = os.read(0, 4096)
        if data and terminal in open_ends:
            os.write(terminal, data)
        else:
            open_ends.discard(0)
    if 3 in ready:
        data = os.read(3, 4096)
        if not data:
            os.kill(pid, signal.SIGKILL)
            sys.exit(1)
        if b"modes" in data:
            say(modes=modes())
        if b"hangup" in data:
            open_ends.discard(terminal)
            os.close(terminal)
    if status is None:
        done, ended = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(ended)
    elif terminal not in ready:
        break
say(status=status, modes=modes())
