//! `multipart/form-data` bodies (RFC 7578).

/// A body that is being written.
#[derive(Clone, Debug)]
pub struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    /// `boundary` must not occur in what is sent: make it of the session's randomness, at least 16 letters or digits.
    pub fn new(boundary: impl Into<String>) -> Self {
        Self { boundary: boundary.into(), body: Vec::new() }
    }

    /// A plain field. `name` is the author's own, without quotes or line ends.
    pub fn field(&mut self, name: &str, value: &str) {
        self.part(name, "", value.as_bytes());
    }

    /// A file.
    pub fn file(&mut self, name: &str, file_name: &str, content_type: &str, data: &[u8]) {
        self.part(&format!("{name}\"; filename=\"{file_name}"), &format!("Content-Type: {content_type}\r\n"), data);
    }

    /// The `content-type` of the request.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The whole body.
    pub fn finish(mut self) -> Vec<u8> {
        self.body.extend(format!("--{}--\r\n", self.boundary).bytes());
        self.body
    }

    fn part(&mut self, name: &str, more: &str, data: &[u8]) {
        let head = format!("--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{more}\r\n", self.boundary);
        self.body.extend(head.bytes());
        self.body.extend(data);
        self.body.extend(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_between_boundaries() {
        let mut form = Form::new("b0");
        form.field("model", "whisper-1");
        form.file("file", "speech.wav", "audio/wav", &[0, 1]);
        assert_eq!(form.content_type(), "multipart/form-data; boundary=b0");
        let expected = "--b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
            --b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"speech.wav\"\r\nContent-Type: audio/wav\r\n\r\n\0\u{1}\r\n--b0--\r\n";
        assert_eq!(String::from_utf8(form.finish()).unwrap(), expected);
    }
}
