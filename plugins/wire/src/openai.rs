//! How OpenAI and the many servers that are like it refuse a request: one JSON object, and a few header fields.

use serde_json::Value;

/// The longest wait that a caller would not notice as silence; who is to wait longer asks somebody else.
pub const PAUSE_MS_MAX: u64 = 1500;
/// The wait where the vendor names none.
const PAUSE_MS: u64 = 400;
/// `{"error":{"message","type","param","code"}}`. The message is not kept: it may repeat what was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// `type`, for example `invalid_request_error`.
    pub kind: String,
    /// For example `insufficient_quota`.
    pub code: String,
    /// What was wrong, for example `model`.
    pub param: String,
}

impl Refusal {
    /// What a body says; nothing where it is no such object.
    pub fn read(body: &[u8]) -> Self {
        serde_json::from_slice::<Value>(body).map_or_else(|_| Self::default(), |body| Self::of(&body["error"]))
    }

    /// The same of the object itself.
    pub fn of(error: &Value) -> Self {
        // Some servers write the status as code.
        let field = |name: &str| match &error[name] {
            Value::String(text) => text.chars().filter(|c| c.is_ascii_graphic()).take(64).collect(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        Self { kind: field("type"), code: field("code"), param: field("param") }
    }

    /// Whether waiting does not help: somebody has to pay.
    pub fn is_unpaid(&self) -> bool {
        const UNPAID: [&str; 3] = ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"];
        UNPAID.contains(&self.code.as_str()) || UNPAID.contains(&self.kind.as_str())
    }

    /// For a log: code or type.
    pub fn name(&self) -> &str {
        if self.code.is_empty() { &self.kind } else { &self.code }
    }
}

/// How long the vendor wants one to wait. `field` gives the value of a header field.
pub fn wait_ms<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Option<u64> {
    let number = |name: &str, unit_ms: f64| {
        let value = field(name)?.trim().parse::<f64>().ok()?;
        (0.0..1e9).contains(&value).then_some((value * unit_ms).ceil() as u64)
    };
    number("retry-after-ms", 1.0).or_else(|| number("retry-after", 1000.0))
}

/// After how long the same may be asked once more, before anything of the answer was used; none where it would be refused again or
/// would take too long.
pub fn pause_ms<'a>(status: u16, refusal: &Refusal, field: impl Fn(&str) -> Option<&'a str>) -> Option<u64> {
    if refusal.is_unpaid() {
        return None;
    }
    let again = match field("x-should-retry") {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status, 408 | 409 | 429 | 500..),
    };
    let wait = wait_ms(field).unwrap_or(PAUSE_MS);
    (again && wait <= PAUSE_MS_MAX).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(fields: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<&'static str> {
        |name| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value)
    }

    #[test]
    fn refusals_are_read_leniently() {
        let body = br#"{"error":{"message":"You said no","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
        let refusal = Refusal::read(body);
        assert_eq!((refusal.kind.as_str(), refusal.param.as_str()), ("insufficient_quota", ""));
        assert!(refusal.is_unpaid());
        assert_eq!(Refusal::read(br#"{"error":{"code":400,"type":"BadRequest"}}"#).name(), "400");
        for body in [&b"<html>"[..], br#"{"error":"refused"}"#, b"[]", b""] {
            assert_eq!(Refusal::read(body), Refusal::default());
        }
    }

    #[test]
    fn the_same_is_asked_again_only_where_that_may_help() {
        let fine = Refusal::default();
        assert_eq!(pause_ms(503, &fine, with(&[])), Some(400));
        assert_eq!(pause_ms(429, &fine, with(&[("retry-after-ms", "250"), ("retry-after", "9")])), Some(250));
        assert_eq!(pause_ms(429, &fine, with(&[("retry-after", "1.5")])), Some(1500));
        assert_eq!(pause_ms(429, &fine, with(&[("retry-after", "7")])), None);
        assert_eq!((pause_ms(400, &fine, with(&[])), pause_ms(401, &fine, with(&[]))), (None, None));
        assert_eq!(pause_ms(500, &fine, with(&[("x-should-retry", "false")])), None);
        assert_eq!(pause_ms(400, &fine, with(&[("x-should-retry", "true")])), Some(400));
        let unpaid = Refusal { code: "insufficient_quota".into(), ..Refusal::default() };
        assert_eq!(pause_ms(429, &unpaid, with(&[("x-should-retry", "true")])), None);
        assert_eq!(wait_ms(with(&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")])), None);
    }
}
