use super::*;
use vg_domain::recording::RecordingFormat;

const KEYS: &str = "access_key = 'env:ID'\nsecret_key = 'env:KEY'\n";

fn environment() -> [(&'static str, &'static str); 3] {
    [("ID", "AKIDEXAMPLE"), ("KEY", "s3cret"), ("LINES", "two\nlines")]
}

fn store(text: &str) -> Option<RecordingStore> {
    let text = format!("[recording]\ndir = '/calls'\n[recording.store]\n{text}");
    Config::parse(&text, variables(&environment()), &machine()).unwrap().recording.store
}

fn told(text: &str) -> Vec<String> {
    faults(&format!("[recording]\ndir = '/calls'\n[recording.store]\n{text}"), &environment())
}

#[test]
fn a_store_is_a_bucket_and_secrets_that_are_not_printed() {
    assert_eq!(store(""), None);
    assert_eq!(store("url = ''\nallow_plain = false\nkeep_local = false"), None);
    let amazons = store(&format!("url = 's3://calls/a/b/'\nregion = 'eu-central-1'\n{KEYS}")).unwrap();
    assert_eq!((amazons.bucket.as_str(), amazons.prefix.as_str(), amazons.region.as_str()), ("calls", "a/b", "eu-central-1"));
    assert_eq!((amazons.endpoint.as_ref(), amazons.keep_local, amazons.is_plain()), (None, false, false));
    assert!(!format!("{amazons:?}").contains("s3cret") && amazons.secret_key.reveal() == "s3cret");
    let own = store(&format!(
        "url = 's3://calls'\nendpoint = 'http://10.0.0.7:9000'\nallow_plain = true\nkeep_local = true\nca = 'ca.pem'\n{KEYS}"
    ));
    let own = own.unwrap();
    assert_eq!((own.prefix.as_str(), own.region.as_str(), own.keep_local, own.is_plain()), ("", "us-east-1", true, true));
}

#[test]
fn what_no_store_can_be_is_told_by_its_place() {
    let url = "recording.store.url: expected s3://BUCKET or s3://BUCKET/PREFIX, of letters, digits, '-', '_' and '.'";
    for bad in ["calls", "https://calls", "s3://", "s3://ab", "s3://Calls", "s3://calls/a b", "s3://calls/../x", "s3://calls//x"]
    {
        assert_eq!(told(&format!("url = '{bad}'\nregion = 'r'\n{KEYS}")), [url], "{bad}");
    }
    for alone in
        ["endpoint = 'https://s3.example'", "region = 'r'", "ca = 'ca.pem'", "allow_plain = true", "secret_key = 'env:KEY'"]
    {
        assert_eq!(told(alone), ["recording.store.url: is needed where another key of the section is set"], "{alone}");
    }
    let of = |text: &str| told(&format!("url = 's3://calls'\n{text}"));
    assert_eq!(of(KEYS), ["recording.store.region: is needed where there is no endpoint"]);
    assert_eq!(of(&format!("region = 'eu central'\n{KEYS}")), ["recording.store.region: expected letters, digits and '-'"]);
    let endpoint = |text: &str| of(&format!("endpoint = '{text}'\n{KEYS}"));
    let expected = "recording.store.endpoint: expected a URL such as https://s3.example:9000, without a path";
    for bad in ["s3.example", "ftp://s3.example", "https://s3.example/x", "https://s3.example?x=1"] {
        assert_eq!(endpoint(bad), [expected], "{bad}");
    }
    let secret = "recording.store.endpoint: holds a name or password: secrets stand in access_key and secret_key";
    assert_eq!(endpoint("https://me:pass@s3.example"), [secret]);
    let plain = "recording.store.endpoint: recordings go by https; by http, to be read on the way, with recording.store.allow_plain alone";
    assert_eq!(endpoint("http://127.0.0.1:9000"), [plain]);
    let keys = of("region = 'r'\naccess_key = 'AKIDEXAMPLE'\nsession_token = 'env:LINES'");
    let written = "is not a reference: write env:NAME or file:PATH, never the secret itself";
    assert_eq!(
        keys,
        [
            format!("recording.store.access_key: {written}"),
            "recording.store.secret_key: is needed".to_owned(),
            "recording.store.session_token: env:LINES is empty or holds what no header can".to_owned(),
        ]
    );
    let nowhere = faults(&format!("[recording.store]\nurl = 's3://calls'\nregion = 'r'\n{KEYS}"), &environment());
    assert_eq!(nowhere, ["recording.dir: is needed: a recording lies there until it is in recording.store"]);
}

#[test]
fn a_format_is_one_of_two() {
    let format = |text: &str| Config::parse(text, [], &machine()).unwrap().recording.format;
    assert_eq!(
        [format(""), format("[recording]\nformat = ''"), format("[recording]\nformat = 'wav'")],
        [RecordingFormat::Wav; 3]
    );
    assert_eq!(format("[recording]\nformat = 'opus'"), RecordingFormat::Opus);
    assert_eq!(faults("[recording]\nformat = 'mp3'", &[]), ["recording.format: expected wav or opus"]);
}
