use super::*;

#[test]
fn a_collector_is_a_base_url_with_headers_that_are_secrets() {
    let telemetry = |text: &str| {
        let config = Config::parse(text, variables(&[("KEY", "s3cret"), ("BEARER", "Bearer abc")]), &machine()).unwrap();
        (format!("{config:?}"), config.telemetry.otlp)
    };
    assert_eq!(telemetry("").1, None);
    assert_eq!(telemetry("[telemetry]\notlp_endpoint = ''").1, None);
    assert!(telemetry("[telemetry]\notlp_endpoint = 'http://10.0.0.7:4318'").1.is_some_and(|otlp| otlp.headers.is_empty()));
    for headers in ["{ x-key = 'env:KEY', Authorization = 'env:BEARER' }", "'x-key=env:KEY, Authorization=env:BEARER'"] {
        let text = format!("[telemetry]\notlp_endpoint = 'https://collector.example/otlp'\notlp_headers = {headers}");
        let (printed, otlp) = telemetry(&text);
        let otlp = otlp.unwrap();
        assert_eq!(otlp.endpoint.as_str(), "https://collector.example/otlp");
        let mut told: Vec<(&str, &str)> =
            otlp.headers.iter().map(|(name, value)| (name.as_str(), value.reveal().as_str())).collect();
        told.sort_unstable();
        assert_eq!(told, [("Authorization", "Bearer abc"), ("x-key", "s3cret")]);
        assert!(!printed.contains("s3cret") && !printed.contains("Bearer abc"), "{printed}");
    }
}

#[test]
fn what_no_collector_can_be_is_told_by_its_place() {
    let endpoint = |url: &str| faults(&format!("[telemetry]\notlp_endpoint = '{url}'"), &[]);
    for bad in ["collector.example:4318", "grpc://collector.example", "http://"] {
        assert_eq!(endpoint(bad), ["telemetry.otlp_endpoint: expected a URL such as https://collector.example:4318"], "{bad}");
    }
    let secret = "telemetry.otlp_endpoint: holds a name or password: a secret stands in telemetry.otlp_headers";
    assert_eq!(endpoint("https://me:pass@collector.example"), [secret]);
    assert_eq!(endpoint("https://collector.example/?key=1"), ["telemetry.otlp_endpoint: must end with the path"]);
    let with = |url: &str, header: &str, value: &str| {
        let text = format!("[telemetry]\notlp_endpoint = '{url}'\notlp_headers = {{ {header} = 'env:KEY' }}");
        faults(&text, &[("KEY", value)])
    };
    let plain = "telemetry.otlp_endpoint: telemetry.otlp_headers go by https only, or to this machine";
    assert_eq!(with("http://10.0.0.7:4318", "x-key", "abc"), [plain]);
    assert_eq!(with("https://c.example", "host", "abc"), ["telemetry.otlp_headers.host: is no header"]);
    assert_eq!(
        with("https://c.example", "x-key", ""),
        ["telemetry.otlp_headers.x-key: environment variable KEY is not set, or no text"]
    );
    let fault = "telemetry.otlp_headers.x-key: env:KEY is empty or holds what no header can";
    assert_eq!(with("https://c.example", "x-key", "two\nlines"), [fault]);
}
