//! Speech-to-text by an engine of your own, over a small WebSocket protocol.
