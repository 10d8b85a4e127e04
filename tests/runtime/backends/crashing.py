"""Run as a child by tests: ends the way its first argument says."""

from __future__ import annotations

import os
import signal
import sys
import time

if __name__ == "__main__":
    match sys.argv[1]:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            time.sleep(60)
        case "talk":
            print(os.getpid(), flush=True)
            print("half done", flush=True)
            time.sleep(60)
        case "much":
            sys.stderr.write("e" * 1_000_000)
            sys.stdout.write("o" * 1_000_000)
            print(len(sys.stdin.buffer.read()))
        case "fail":
            sys.stdin.buffer.read()
            sys.exit("line before\nthe reason")
        case "import":
            import json  # where it comes from tells whose folder was searched first

            sys.exit(str(json.__file__))
