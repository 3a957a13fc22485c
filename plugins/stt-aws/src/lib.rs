//! Speech-to-text by Amazon Transcribe streaming.
