#!/usr/bin/env bash
# The gateways that ours is compared with, under BENCH_HOME (default .bench), each in an environment of its own.
# nginx is the floor; it comes from the system's packages (Debian: nginx-light).
set -euo pipefail
cd "$(dirname "$0")/../.."
home=${BENCH_HOME:-.bench}

environment() { # NAME PACKAGE...: make $home/NAME with these packages, once
  local place=$home/$1
  shift
  [ -e "$place/.done" ] && return
  [ -x "$place/bin/python" ] || python3 -m venv "$place"
  echo "bench: installing $* into $place"
  "$place/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
  touch "$place/.done"
}

environment peers smg==1.13.0 vllm-router==0.1.17
environment litellm 'litellm[proxy]==1.108.7'
command -v nginx > /dev/null || [ -x /usr/sbin/nginx ] || echo "bench: nginx is not here; it is left out"
