//! The way to Redis: one server, whoever the sentinels call the master, or a cluster.

use super::scripts::{Scripts, TEXTS};
use crate::config::{State, StateMode, StateTls};
use anyhow::Context;
use futures_util::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError,
    RedisResult, ServerErrorKind, TlsCertificates, TlsMode, Value, cmd,
};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// Time for a connection, with all that it takes to be of use. Over: tried again.
const CONNECT: Duration = Duration::from_secs(1);

/// Why Redis is of no use now. Bounded code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    Unreachable,
    Deadline,
    Tls,
    Credentials,
    Denied,
    Full,
    ReadOnly,
    Loading,
    NoMaster,
    Scripts,
    Refused,
}

impl Fault {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Deadline => "deadline",
            Self::Tls => "tls",
            Self::Credentials => "credentials",
            Self::Denied => "denied",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Loading => "loading",
            Self::NoMaster => "no_master",
            Self::Scripts => "scripts",
            Self::Refused => "refused",
        }
    }

    fn of(error: &RedisError) -> Self {
        if error.is_timeout() {
            return Self::Deadline;
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Credentials,
            ErrorKind::MasterNameNotFoundBySentinel | ErrorKind::ClusterConnectionNotFound => Self::NoMaster,
            ErrorKind::Server(kind) => match kind {
                ServerErrorKind::NoPerm => Self::Denied,
                ServerErrorKind::ReadOnly => Self::ReadOnly,
                ServerErrorKind::BusyLoading => Self::Loading,
                ServerErrorKind::NoScript => Self::Scripts,
                ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown => Self::NoMaster,
                _ => Self::Refused,
            },
            // The library has no word of its own for these.
            ErrorKind::Extension => match error.code() {
                Some("OOM") => Self::Full,
                Some("WRONGPASS" | "NOAUTH") => Self::Credentials,
                _ => Self::Refused,
            },
            ErrorKind::Io if error.to_string().contains("certificate") => Self::Tls,
            _ => Self::Unreachable,
        }
    }
}

/// Makes connections.
pub(super) struct Linker {
    way: Way,
    config: AsyncConnectionConfig,
}

enum Way {
    Standalone(Client),
    /// Looks for the master anew with each connection, beginning with another sentinel: one that does not answer costs one try.
    Sentinel {
        sentinels: Sentinels,
        first: AtomicUsize,
    },
    Cluster(ClusterClient),
}

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) struct Wire {
    to: To,
    pub(super) scripts: Scripts,
}

#[derive(Clone)]
enum To {
    One(MultiplexedConnection),
    Many(ClusterConnection),
}

impl Linker {
    /// Connects nothing yet.
    ///
    /// # Errors
    /// Where the file of authorities cannot be read, or the library makes nothing of what is written.
    pub(super) fn new(state: &State) -> anyhow::Result<Self> {
        let certificates = match &state.tls {
            StateTls::Tls { ca: Some(ca) } => Some(TlsCertificates { client_tls: None, root_cert: Some(read(ca)?) }),
            StateTls::Tls { ca: None } | StateTls::Plain => None,
        };
        let way = Way::new(state, certificates).context("failed to make use of [state]")?;
        // Deadlines are kept here, for a batch and not for a command; the library's own is the longest that any of ours is.
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(CONNECT * 4));
        Ok(Self { way, config })
    }

    /// Where commands need not be carried out in the order in which they were given.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.way, Way::Cluster(_))
    }

    /// A connection that can do everything.
    pub(super) async fn connect(&self) -> Result<Wire, Fault> {
        let connecting = async {
            let mut to = match &self.way {
                Way::Standalone(client) => To::One(client.get_multiplexed_async_connection_with_config(&self.config).await?),
                Way::Sentinel { sentinels, first } => {
                    let mut client = sentinels.client(first.fetch_add(1, Ordering::Relaxed))?;
                    To::One(client.get_async_connection_with_config(&self.config).await?)
                }
                Way::Cluster(client) => To::Many(client.get_async_connection().await?),
            };
            let mut digests = Vec::with_capacity(TEXTS.len());
            for text in TEXTS {
                digests.push(to.load(text).await?);
            }
            Ok::<_, RedisError>((to, digests))
        };
        let connected = timeout(CONNECT, connecting).await.map_err(|_| Fault::Deadline)?;
        let (to, digests) = connected.map_err(|error| Fault::of(&error))?;
        let scripts = Scripts(digests.try_into().map_err(|_| Fault::Scripts)?);
        Ok(Wire { to, scripts })
    }
}

impl Way {
    fn new(state: &State, certificates: Option<TlsCertificates>) -> RedisResult<Self> {
        let tls = is_tls(state);
        let address = |server| address(server, tls);
        let password = state.password.as_ref().map(|password| password.reveal().as_str());
        match &state.mode {
            StateMode::Standalone => {
                let mut login = RedisConnectionInfo::default().set_db(state.database).set_skip_set_lib_name();
                login = state.user.iter().fold(login, |login, user| login.set_username(user));
                login = password.iter().fold(login, |login, password| login.set_password(password));
                let first = state.servers.first().map(address).ok_or((ErrorKind::InvalidClientConfig, "no server"))?;
                let info = first.into_connection_info()?.set_redis_settings(login);
                Ok(Self::Standalone(match certificates {
                    Some(certificates) => Client::build_with_tls(info, certificates)?,
                    None => Client::open(info)?,
                }))
            }
            StateMode::Sentinel { .. } => {
                let sentinels = Sentinels { state: state.clone(), certificates };
                sentinels.client(0)?;
                Ok(Self::Sentinel { sentinels, first: AtomicUsize::new(0) })
            }
            StateMode::Cluster => {
                let mut builder = ClusterClientBuilder::new(state.servers.iter().map(address));
                // Who waits for a cluster is here; what is late is written anew.
                builder = builder.retries(2).connection_timeout(CONNECT).response_timeout(CONNECT * 4);
                builder = state.user.iter().fold(builder, |builder, user| builder.username(user));
                builder = password.iter().fold(builder, |builder, password| builder.password(password));
                builder = if tls { builder.tls(TlsMode::Secure) } else { builder };
                builder = certificates.into_iter().fold(builder, |builder, certificates| builder.certs(certificates));
                Ok(Self::Cluster(builder.build()?))
            }
        }
    }
}

/// Makes a client for each connection: the library's own goes back to the sentinel that it knows.
struct Sentinels {
    state: State,
    certificates: Option<TlsCertificates>,
}

impl Sentinels {
    fn client(&self, first: usize) -> RedisResult<SentinelClient> {
        let (state, tls) = (&self.state, is_tls(&self.state));
        let StateMode::Sentinel { master, password: own } = &state.mode else {
            return Err((ErrorKind::InvalidClientConfig, "no sentinels").into());
        };
        let mut addresses: Vec<_> = state.servers.iter().map(|server| address(server, tls)).collect();
        let first = first.checked_rem(addresses.len()).unwrap_or_default();
        addresses.rotate_left(first);
        let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?;
        builder = builder.set_client_to_redis_db(state.database);
        if tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder.set_client_to_redis_certificates(certificates.clone());
            builder = builder.set_client_to_sentinel_certificates(certificates.clone());
        }
        builder = state.user.iter().fold(builder, |builder, user| builder.set_client_to_redis_username(user));
        builder = state.password.iter().fold(builder, |builder, word| builder.set_client_to_redis_password(word.reveal()));
        builder = own.iter().fold(builder, |builder, own| builder.set_client_to_sentinel_password(own.reveal()));
        builder.build()
    }
}

fn is_tls(state: &State) -> bool {
    matches!(state.tls, StateTls::Tls { .. })
}

fn address((host, port): &(String, u16), tls: bool) -> ConnectionAddr {
    match tls {
        false => ConnectionAddr::Tcp(host.clone(), *port),
        true => ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None },
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))
}

impl To {
    async fn load(&mut self, script: &str) -> RedisResult<String> {
        let mut command = cmd("SCRIPT");
        command.arg("LOAD").arg(script);
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Many(connection) => command.query_async(connection).await,
        }
    }
}

impl Wire {
    /// Carries out all commands, in their order where it is one server. What one of them comes to is no matter of the others.
    pub(super) async fn run(&self, commands: Vec<Cmd>, within: Duration) -> Result<Vec<Result<Value, Fault>>, Fault> {
        let answers = async {
            match &self.to {
                To::One(connection) => {
                    let mut pipeline = Pipeline::with_capacity(commands.len());
                    pipeline.ignore_errors();
                    for command in commands {
                        pipeline.add_command(command);
                    }
                    pipeline.query_async::<Vec<RedisResult<Value>>>(&mut connection.clone()).await
                }
                // A pipeline of a cluster has one node for all.
                To::Many(connection) => {
                    let ask = |command: Cmd| {
                        let mut connection = connection.clone();
                        async move { connection.req_packed_command(&command).await.and_then(Value::extract_error) }
                    };
                    Ok(join_all(commands.into_iter().map(ask)).await)
                }
            }
        };
        let answers = timeout(within, answers).await.map_err(|_| Fault::Deadline)?.map_err(|error| Fault::of(&error))?;
        Ok(answers.into_iter().map(|answer| answer.map_err(|error| Fault::of(&error))).collect())
    }

    /// The answer to one command.
    pub(super) async fn ask(&self, command: Cmd, within: Duration) -> Result<Value, Fault> {
        self.run(vec![command], within).await?.pop().unwrap_or(Err(Fault::Refused))
    }
}
