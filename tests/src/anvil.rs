//! A real node: anvil, as the npm package ships it, on a port that the system chose.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Rpc;

/// A node that lives as long as this value. Its calls are those of [`Rpc`].
#[derive(Debug)]
pub struct Anvil {
    address: SocketAddr,
    rpc: Rpc,
    _child: Child,
}

impl Anvil {
    /// A node that mines a block for every transaction.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A node with `arguments` of its own, such as `--no-mining`.
    ///
    /// # Panics
    /// When the node is not installed or does not start.
    pub async fn with(arguments: &[&str]) -> Self {
        let binary = binary();
        assert!(binary.exists(), "no node at {}: `scripts/setup` installs it", binary.display());
        let mut child = Command::new(binary)
            .args(["--port", "0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("the node is an executable file");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let address = loop {
            let line = lines.next_line().await.expect("the node prints text");
            let line = line.expect("the node says where it listens before it ends");
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.parse().expect("the node listens on an address");
            }
        };
        // The pipe must be read to its end, or the node blocks on a full one.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, rpc: Rpc::new(address), _child: child }
    }

    /// Where it listens, for HTTP and WebSocket alike.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Deref for Anvil {
    type Target = Rpc;

    fn deref(&self) -> &Rpc {
        &self.rpc
    }
}

/// The platform's executable itself and not npm's wrapper, which would survive as an orphan.
fn binary() -> PathBuf {
    if let Some(chosen) = std::env::var_os("COFFERDAM_ANVIL") {
        return chosen.into();
    }
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let package = format!("node_modules/@foundry-rs/anvil-{system}-{machine}/bin/anvil");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(package)
}
