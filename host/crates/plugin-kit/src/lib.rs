//! What authors of plugins are given: one session on a laptop, the conformance kit, replay and bench.
