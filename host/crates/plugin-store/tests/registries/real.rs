//! A registry of its own per test: its port is chosen by the kernel, its content lies in a temporary folder.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where `cargo xtask setup` unpacks it.
const PLACE: &str = "docker-registry-debian/usr/bin/docker-registry";

/// Let in by [`Wish::login`]: `tester` with this password, as bcrypt hashes it.
pub(crate) const PASSWORD: &str = "let me in";
const HTPASSWD: &str = "tester:$2b$04$MVsBmZGB/r2CaSqBAplqjuYE.tyEX5Nzo11ziMoo9sirDhnH3/Jc2\n";

/// How the registry is to be.
#[derive(Default)]
pub(crate) struct Wish {
    /// Asks for a password.
    pub login: bool,
    /// Certificate and key, PEM: speaks TLS.
    pub tls: Option<(String, String)>,
}

/// A running registry; stopped when dropped.
pub(crate) struct Real {
    process: Child,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    folder: tempfile::TempDir,
}

impl Real {
    pub(crate) fn start(wish: &Wish) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("config.yml"), "version: 0.1\nstorage: {filesystem: {}}\n").unwrap();
        let mut command = Command::new(program());
        command.arg("serve").arg(path("config.yml")).env("REGISTRY_HTTP_ADDR", "127.0.0.1:0");
        command.env("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", path("content")).env("OTEL_TRACES_EXPORTER", "none");
        if wish.login {
            std::fs::write(path("htpasswd"), HTPASSWD).unwrap();
            command.env("REGISTRY_AUTH", "htpasswd").env("REGISTRY_AUTH_HTPASSWD_REALM", "plugins");
            command.env("REGISTRY_AUTH_HTPASSWD_PATH", path("htpasswd"));
        }
        if let Some((certificate, key)) = &wish.tls {
            std::fs::write(path("cert.pem"), certificate).unwrap();
            std::fs::write(path("key.pem"), key).unwrap();
            command.env("REGISTRY_HTTP_TLS_CERTIFICATE", path("cert.pem")).env("REGISTRY_HTTP_TLS_KEY", path("key.pem"));
        }
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let from = said.len();
            assert!(log.read_line(&mut said).unwrap() > 0, "the registry does not start:\n{said}");
            if let Some((_, rest)) = said[from..].split_once("listening on ") {
                break rest.split(['"', ',']).next().unwrap().to_owned();
            }
        };
        // A full pipe would stop it.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { process, address, folder }
    }

    /// The file that holds a blob of this digest (without `sha256:`).
    pub(crate) fn blob(&self, hex: &str) -> PathBuf {
        self.folder.path().join("content/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn program() -> PathBuf {
    let cache = match (std::env::var_os("VG_CACHE"), std::env::home_dir()) {
        (Some(cache), _) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").join(cache),
        (None, Some(home)) => home.join(".cache/serphona-voice-gateway"),
        (None, None) => panic!("no place for downloads: set VG_CACHE to a folder"),
    };
    let program = cache.join(PLACE);
    assert!(program.is_file(), "{} is missing: run `cargo xtask setup`", program.display());
    program
}
