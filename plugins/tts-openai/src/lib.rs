//! Text-to-speech by OpenAI and compatible servers.
