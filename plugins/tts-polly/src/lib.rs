//! Text-to-speech by Amazon Polly.
