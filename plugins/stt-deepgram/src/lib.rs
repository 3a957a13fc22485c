//! Speech-to-text by Deepgram, Nova and Flux.
