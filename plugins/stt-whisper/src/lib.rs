//! Speech-to-text by OpenAI and compatible servers, per utterance or in real time.
