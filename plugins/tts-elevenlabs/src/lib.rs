//! Text-to-speech by ElevenLabs.
