#!/bin/sh
# Print the interpreter to make .venv with: the one .venv already has, else the first
# that is accepted and can make environments, else the first that runs at all, so that
# tools/install.py can say what is wrong with it. Usage: find_python.sh [INTERPRETER]
accepted='import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

if [ -n "$1" ]; then
  if "$1" -c '' 2>/dev/null; then echo "$1"; exit 0; fi
  echo "grokbook: PYTHON=$1 does not run; name a Python 3.11, 3.12 or 3.13." >&2
  exit 1
fi

own=$(sed -n 's/^executable = //p' .venv/pyvenv.cfg 2>/dev/null)
for candidate in "$own" python3.11 python3 python3.12 python3.13; do
  if [ -n "$candidate" ] && "$candidate" -c "$accepted" 2>/dev/null; then
    echo "$candidate"; exit 0
  fi
done
for candidate in python3.11 python3.12 python3.13 python3; do
  if "$candidate" -c '' 2>/dev/null; then echo "$candidate"; exit 0; fi
done
echo "grokbook: no Python found; install Python 3.11 with venv (Debian, Ubuntu: apt install python3 python3-venv), or name one: make book PYTHON=/path/to/python3.11" >&2
exit 1
