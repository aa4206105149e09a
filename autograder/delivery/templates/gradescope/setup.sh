#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image. It installs the course outside /usr and /root: there, the
# sandbox can show a learner's code the interpreter and its packages without showing it the checks.
set -euo pipefail
source=/autograder/source
chmod -R go= "$source"

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3-venv
python3 -m venv /opt/uv
/opt/uv/bin/python -m pip install --quiet uv==0.13.9

# Ubuntu 22.04 has Python 3.10, which is too old: uv takes the system's Python if it is new enough, else it fetches one.
export UV_PYTHON_INSTALL_DIR=/opt/python
/opt/uv/bin/uv venv --quiet --seed --clear --python '>=3.11,<3.14' /opt/bptt

pip=(/opt/bptt/bin/python -m pip install --quiet -c "$source/constraints.txt")
"${pip[@]}" --no-deps --extra-index-url https://download.pytorch.org/whl/cpu torch  # without CUDA
"${pip[@]}" "$source"/*.whl
