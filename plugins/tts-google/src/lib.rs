//! Text-to-speech by Google Cloud Text-to-Speech.
