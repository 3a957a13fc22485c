//! `[state]`: where calls are kept beyond this gateway.

use super::raw::{number, set};
use super::{Faults, secret};
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;
use vg_domain::pii::Pii;

/// Seconds for which an ended call can still be read there.
const ENDED_S: usize = 3_600;
const EXPECTED: &str = "expected a URL such as redis://redis.example:6379 or rediss://redis.example:6379";

/// `[state]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// `host:port` of each server that is asked first. *Invariant:* not empty; one where it stands alone.
    pub servers: Vec<(String, u16)>,
    /// How they stand together.
    pub mode: StateMode,
    /// Whether they are spoken to by TLS.
    pub tls: StateTls,
    /// The number of the database; 0 in a cluster.
    pub database: i64,
    /// A user of their access lists; none: the default one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Pii<String>>,
    /// For how long an ended call can still be read there.
    pub ended: Duration,
    /// The key by which a caller's newest sound is sealed there, for whoever goes on with the call; none: no sound is kept.
    pub sound_key: Option<Pii<[u8; KEY_BYTES]>>,
}

/// Of AES-256.
const KEY_BYTES: usize = 32;

/// How servers stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateMode {
    /// One.
    Standalone,
    /// Sentinels, who know the master.
    Sentinel {
        /// The name by which they know it.
        master: String,
        /// What the sentinels themselves ask for.
        password: Option<Pii<String>>,
    },
    /// A cluster.
    Cluster,
}

/// Whether servers are spoken to by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateTls {
    /// They are not.
    Plain,
    /// They are.
    Tls {
        /// File of the authorities (PEM) that their certificates must come from; none: the system's.
        ca: Option<PathBuf>,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawState {
    #[serde(deserialize_with = "texts")]
    redis: Vec<String>,
    mode: Option<String>,
    master_name: Option<String>,
    sentinel_password: Option<String>,
    user: Option<String>,
    password: Option<String>,
    ca: Option<PathBuf>,
    #[serde(deserialize_with = "number")]
    ended_s: Option<usize>,
    sound_key: Option<String>,
}

/// A list of texts, or one that holds them with `,` between.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text, or a list of them")]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::List(texts) => texts,
        Written::Text(text) => text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Standalone,
    Sentinel,
    Cluster,
}

impl RawState {
    pub(super) fn resolve(self, environment: &[(String, String)], faults: &mut Faults) -> Option<State> {
        let mut mode = Mode::Standalone;
        let known = |text: &str| match text {
            "standalone" => Ok(Mode::Standalone),
            "sentinel" => Ok(Mode::Sentinel),
            "cluster" => Ok(Mode::Cluster),
            _ => Err("expected standalone, sentinel or cluster"),
        };
        set(&mut mode, "state.mode", self.mode.as_deref().filter(|text| !text.is_empty()), known, faults);
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let mut hidden = |path: &str, reference: Option<String>| {
            let found = filled(reference).map(|reference| secret::resolve(&reference, environment));
            found.transpose().map_err(|what| faults.add(path, what)).ok().flatten()
        };
        let password = hidden("state.password", self.password);
        let sentinel_password = hidden("state.sentinel_password", self.sentinel_password);
        let sound_key = hidden("state.sound_key", self.sound_key);
        let user = filled(self.user);
        let ca = self.ca.filter(|file| !file.as_os_str().is_empty());
        if self.redis.is_empty() {
            let others = [user.is_some(), ca.is_some(), password.is_some(), mode != Mode::Standalone];
            if others.contains(&true) {
                faults.add("state.redis", "is needed where another key of the section is set");
            }
            return None;
        }
        if user.is_some() && password.is_none() {
            faults.add("state.password", "is needed where state.user is set");
        }
        let places: Vec<Place> =
            self.redis.iter().filter_map(|text| place(text).map_err(|what| faults.add("state.redis", what)).ok()).collect();
        let first = places.first()?;
        let (tls, database) = (first.tls, first.database);
        if places.iter().any(|place| (place.tls, place.database) != (tls, database)) {
            faults.add("state.redis", "all URLs must be alike but for host and port");
        }
        let mode = match mode {
            Mode::Standalone if places.len() > 1 => {
                faults.add("state.redis", "several URLs need state.mode = sentinel or cluster");
                StateMode::Standalone
            }
            Mode::Cluster if database != 0 => {
                faults.add("state.redis", "a cluster has the database 0 only");
                StateMode::Cluster
            }
            Mode::Standalone => StateMode::Standalone,
            Mode::Cluster => StateMode::Cluster,
            Mode::Sentinel => match filled(self.master_name) {
                Some(master) => StateMode::Sentinel { master, password: sentinel_password },
                None => {
                    faults.add("state.master_name", "is needed where state.mode is sentinel");
                    StateMode::Standalone
                }
            },
        };
        if ca.is_some() && !tls {
            faults.add("state.ca", "is of no use without rediss:// in state.redis");
        }
        let ended = Duration::from_secs(self.ended_s.unwrap_or(ENDED_S).max(1) as u64);
        let tls = if tls { StateTls::Tls { ca } } else { StateTls::Plain };
        let servers = places.into_iter().map(|place| place.server).collect();
        let key = |text: Pii<String>| match key(text.reveal()) {
            Some(key) => Some(Pii::new(key)),
            None => {
                faults.add("state.sound_key", "must be 64 hexadecimal digits, as of openssl rand -hex 32");
                None
            }
        };
        let sound_key = sound_key.and_then(key);
        Some(State { servers, mode, tls, database, user, password, ended, sound_key })
    }
}

fn key(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits: Vec<u8> = text.trim().chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let mut key = [0; KEY_BYTES];
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    key.iter_mut().zip(digits.chunks(2)).for_each(|(byte, pair)| *byte = pair[0] << 4 | pair[1]);
    Some(key)
}

struct Place {
    server: (String, u16),
    tls: bool,
    database: i64,
}

fn place(text: &str) -> Result<Place, &'static str> {
    let url: Url = text.parse().map_err(|_| EXPECTED)?;
    let tls = match url.scheme() {
        "redis" => false,
        "rediss" => true,
        _ => return Err(EXPECTED),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a name or password: they stand in state.user and state.password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(EXPECTED);
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(EXPECTED)?;
    // An address of IPv6 stands in brackets in a URL, and nowhere else.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let database = match url.path().trim_matches('/') {
        "" => 0,
        number => number.parse::<u16>().map_err(|_| "the path is the number of a database, or nothing")?,
    };
    Ok(Place { server: (host, url.port().unwrap_or(6_379)), tls, database: database.into() })
}
