//! Text-to-speech by Azure AI Speech.
