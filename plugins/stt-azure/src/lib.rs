//! Speech-to-text by Azure AI Speech.
