//! Text-to-speech by an engine of your own, over a small HTTP protocol.
