#!/bin/sh
# Runs a test program for cargo, which is told of this script as the runner of its target.
# A program has as many threads as the machine has processors: stories are held to real time. Against a vendor's simulator a test says for seconds what a caller
# would, and does little but wait meanwhile: many may do so at once. The vendors' own SDKs (`judges`) compute all the time.
case $CARGO_PKG_NAME:${1##*/} in
vg-sim:judges-*) ;;
vg-sim:*) export RUST_TEST_THREADS=8 ;;
esac
exec "$@"
