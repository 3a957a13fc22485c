#!/bin/sh
# Runs a test program for cargo, which is told of this script as the runner of its target.
# A program has as many threads as the machine has processors. Stories on real parts mostly wait for what takes its time in life: two more of them at once find
# a processor idle. Against a vendor's simulator a test says for seconds what a caller would: many may do so at once. What computes all the time (the vendors'
# own SDKs, recognisers, virtual time), and what is held to how quickly something is answered, is left alone.
case $CARGO_PKG_NAME:${1##*/} in
vg-sim:vendors-*) export RUST_TEST_THREADS=12 ;;
vg-tests:virtual_* | vg-tests:load-* | vg-tests:storm-* | vg-tests:quality-*) ;;
vg-tests:asterisk_barge_in-* | vg-tests:asterisk_latency-* | vg-tests:chaos-* | vg-tests:failover-*) ;;
vg-tests:*) export RUST_TEST_THREADS=4 ;;
esac
exec "$@"
