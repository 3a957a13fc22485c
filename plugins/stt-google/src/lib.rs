//! Speech-to-text by Google Cloud Speech-to-Text v1 and v2.
