//! `[[asterisk]]`, from how it is written to what it means.

use super::here::{host_of, is_here};
use super::raw::RawAsterisk;
use super::{AmiAccess, AmiLogin, AmiTransport, Asterisk, AsteriskMode, Config, Faults, secret};
use std::path::PathBuf;
use url::Url;
use vg_domain::pii::Pii;

/// Faults are told with the entry's number and key.
struct Told<'a> {
    index: usize,
    environment: &'a [(String, String)],
    faults: &'a mut Faults,
}

impl RawAsterisk {
    pub(super) fn resolve(
        self,
        index: usize,
        instance: &str,
        environment: &[(String, String)],
        faults: &mut Faults,
    ) -> Option<Asterisk> {
        let mut told = Told { index, environment, faults };
        let user = told.needed("user", self.user);
        let password = told.needed("password", self.password);
        let mode = mode(&mut told, self.mode.as_deref(), self.url, self.ca);
        let password = password.and_then(|reference| told.secret("password", &reference));
        let (transport, ca) = (self.ami_transport.as_deref(), self.ami_ca.filter(|file| !file.as_os_str().is_empty()));
        let ami = match self.ami.filter(|address| !address.is_empty()) {
            Some(address) => {
                let login = self.ami_login.as_deref();
                Some(ami(&mut told, address, self.ami_user, self.ami_password, login, (transport, ca)))
            }
            None => {
                ami_transport(&mut told, None, transport, ca);
                None
            }
        };
        let app = self.app.filter(|app| !app.is_empty()).unwrap_or_else(|| Config::app_default(instance));
        let ami = match ami {
            None => None,
            Some(access) => Some(access?),
        };
        Some(Asterisk { mode: mode?, app, user: user?, password: password?, ami })
    }
}

fn mode(told: &mut Told<'_>, mode: Option<&str>, url: Option<String>, ca: Option<PathBuf>) -> Option<AsteriskMode> {
    let ca = ca.filter(|file| !file.as_os_str().is_empty());
    match mode.unwrap_or("dial") {
        "dial" => {
            let url = told.needed("url", url)?;
            match url.parse::<Url>() {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                    if ca.is_some() && url.scheme() == "http" {
                        told.add::<()>("ca", "is of no use: the url is not https");
                    }
                    Some(AsteriskMode::Dial { url, ca })
                }
                _ => told.add("url", "expected a URL such as http://127.0.0.1:8088"),
            }
        }
        "accept" => {
            for (key, written) in [("url", url.is_some()), ("ca", ca.is_some())] {
                if written {
                    told.add::<()>(key, "is of no use: with mode = \"accept\" asterisk connects to this gateway");
                }
            }
            Some(AsteriskMode::Accept)
        }
        _ => told.add("mode", "expected dial or accept"),
    }
}

fn ami(
    told: &mut Told<'_>,
    address: String,
    user: Option<String>,
    password: Option<String>,
    login: Option<&str>,
    (transport, ca): (Option<&str>, Option<PathBuf>),
) -> Option<AmiAccess> {
    let user = told.needed("ami_user", user);
    let password = told.needed("ami_password", password);
    let password = password.and_then(|reference| told.secret("ami_password", &reference));
    let login = match login.unwrap_or("md5") {
        "md5" => Some(AmiLogin::Challenge),
        "plain" => Some(AmiLogin::Plain),
        _ => told.add("ami_login", "expected md5 or plain"),
    };
    let port = address.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    if port.is_none_or(|port| port == 0) {
        return told.add("ami", "expected HOST:PORT, for example 127.0.0.1:5038");
    }
    let transport = ami_transport(told, Some(&address), transport, ca);
    Some(AmiAccess { address, user: user?, password: password?, login: login?, transport: transport? })
}

/// How the manager interface at `address` is dialled; where there is none, faults alone count.
fn ami_transport(
    told: &mut Told<'_>,
    address: Option<&str>,
    transport: Option<&str>,
    ca: Option<PathBuf>,
) -> Option<AmiTransport> {
    match (transport, ca) {
        (Some("tls"), ca) => Some(AmiTransport::Tls { ca }),
        (Some("plain"), None) => Some(AmiTransport::Plain),
        (None, None) if address.is_some_and(|address| !is_here(host_of(address))) => {
            told.add("ami_transport", "is needed, tls or plain: the manager interface is on another machine")
        }
        (None, None) => Some(AmiTransport::Plain),
        (Some("plain") | None, Some(_)) => told.add("ami_ca", "is of no use: the manager interface is not dialled by tls"),
        _ => told.add("ami_transport", "expected plain or tls"),
    }
}

impl Told<'_> {
    fn add<T>(&mut self, key: &str, what: &str) -> Option<T> {
        self.faults.add(format_args!("asterisk[{}].{key}", self.index), what);
        None
    }

    fn needed(&mut self, key: &str, value: Option<String>) -> Option<String> {
        value.filter(|text| !text.is_empty()).or_else(|| self.add(key, "is needed"))
    }

    fn secret(&mut self, key: &str, reference: &str) -> Option<Pii<String>> {
        match secret::resolve(reference, self.environment) {
            Ok(secret) => Some(secret),
            Err(what) => {
                self.faults.add(format_args!("asterisk[{}].{key}", self.index), what);
                None
            }
        }
    }
}

/// The same app twice on the same Asterisk: the second socket would silence the first. Asterisks that connect are told apart by their user.
pub(super) fn distinct_apps(asterisks: &[Asterisk], faults: &mut Faults) {
    for (index, one) in asterisks.iter().enumerate() {
        let same = |other: &Asterisk| match (other.url(), one.url()) {
            (None, None) => other.app == one.app && other.user == one.user,
            (other_url, url) => other.app == one.app && other_url == url,
        };
        if asterisks[..index].iter().any(same) {
            let what = if one.url().is_some() {
                "has the url and app of another entry"
            } else {
                "has the user and app of another entry"
            };
            faults.add(format_args!("asterisk[{index}]"), what);
        }
    }
}
