use super::*;

#[test]
fn a_vault_is_a_url_and_a_secret_that_is_not_printed() {
    let vault = |text: &str| Config::parse(text, variables(&[("KEY", "s3cret")]), &machine()).unwrap().vault;
    assert_eq!(vault(""), None);
    assert_eq!(vault("[vault]\nurl = ''\nallow_plain = false"), None);
    let whole = vault("[vault]\nurl = 'https://vault.example/v1/cards?set=1'\ntoken = 'env:KEY'\nca = 'ca.pem'").unwrap();
    assert_eq!(whole.url.as_str(), "https://vault.example/v1/cards?set=1");
    assert_eq!(whole.token.as_ref().map(|token| token.reveal().as_str()), Some("s3cret"));
    assert_eq!(whole.ca.as_deref(), Some(Path::new("ca.pem")));
    assert!(!format!("{whole:?}").contains("s3cret"));
    let here = vault("[vault]\nurl = 'http://127.0.0.1:9000/cards'\nallow_plain = true").unwrap();
    assert_eq!((here.url.scheme(), here.token), ("http", None));
}

#[test]
fn what_no_vault_can_be_is_told_by_its_place() {
    let told = |text: &str| faults(&format!("[vault]\n{text}"), &[("LINES", "two\nlines")]);
    let plain = "vault.url: cards go by https alone; for tries by http to this machine, with vault.allow_plain";
    assert_eq!(told("url = 'http://127.0.0.1:9000/cards'"), [plain]);
    assert_eq!(told("url = 'http://10.0.0.7/cards'\nallow_plain = true"), [plain]);
    for bad in ["vault.example", "ftp://vault.example", "https://"] {
        assert_eq!(
            told(&format!("url = '{bad}'")),
            ["vault.url: expected a URL such as https://vault.example/v1/cards"],
            "{bad}"
        );
    }
    let secret = "vault.url: holds a name or password: a secret stands in vault.token";
    assert_eq!(told("url = 'https://me:pass@vault.example'"), [secret]);
    assert_eq!(told("url = 'https://vault.example#a'"), ["vault.url: must end with the path or the query"]);
    for alone in ["ca = 'ca.pem'", "allow_plain = true"] {
        assert_eq!(told(alone), ["vault.url: is needed where another key of the section is set"], "{alone}");
    }
    let token = |reference: &str| told(&format!("url = 'https://vault.example'\ntoken = '{reference}'"));
    assert_eq!(token("env:NONE"), ["vault.token: environment variable NONE is not set, or no text"]);
    assert_eq!(token("env:LINES"), ["vault.token: env:LINES is empty or holds what no header can"]);
    assert_eq!(token("the secret"), ["vault.token: is not a reference: write env:NAME or file:PATH, never the secret itself"]);
}
