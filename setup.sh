#!/bin/sh
# Makes .venv and installs Temper into it. Idempotent: a stamp holds what was installed.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
accelerator=cpu
if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then accelerator=gpu; fi
extras=${EXTRAS:-$accelerator,dev}
stamp=.venv/.temper-setup
want="$extras $(cat pyproject.toml constraints.txt setup.sh | cksum)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then exit 0; fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $version in
    3.11 | 3.12 | 3.13) ;;
    *) echo "Temper needs Python 3.11, 3.12 or 3.13; '$python' is $version. Try: make PYTHON=python3.11" >&2; exit 1 ;;
esac
size="about 3.1 GB"
[ "${extras#*gpu}" = "$extras" ] || size="about 12 GB, CUDA libraries among them"
echo "Set-up: $(grep -c == constraints.txt) packages, $size on disk, into .venv (extras: $extras)." >&2
free_kib=$(df -Pk . | awk 'NR==2 {print $4}')
if [ "$free_kib" -lt 3500000 ]; then
    echo "Only $((free_kib / 1024)) MiB are free here; set-up needs about 3,400." >&2
    exit 1
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install -q "uv>=0.9"
setting() { .venv/bin/python -m pip config list | sed -n "s/^[^=]*\.$1='\(.*\)'$/\1/p" | head -n 1; }
links=$(setting find-links)
index=$(setting index-url)
[ -z "$links" ] || export UV_FIND_LINKS="$links"
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
install() {
    # compiled here: else the first runs do it, process by process
    .venv/bin/uv pip install -q --compile-bytecode --python .venv/bin/python \
        -c constraints.txt -e ".[$extras]" "$@"
}
if [ -n "$links" ]; then # a torch build is at hand
    install
else # the torch build that fits this machine's GPU, else the index's own
    install --torch-backend auto || install
fi
.venv/bin/python -m flows.versioning # environment.json: what results depend on here
echo "$want" >"$stamp"
echo "Set-up is done." >&2
