//! A chain on a port, for `cast` and the like: `cargo run -p cofferdam-simnet --example node -- 127.0.0.1:8545 <address>..`
//!
//! Every address named gets 10,000 coins. Each transaction is mined at once; `evm_mine` mines empty blocks.

use std::error::Error;

use alloy_primitives::{Address, U256};
use cofferdam_simnet::{Config, Simnet};

/// 10,000 coins, in wei.
const GIFT: u128 = 10_000_000_000_000_000_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let listen = args.next().unwrap_or_else(|| "127.0.0.1:8545".to_owned());
    let mut config = Config { automine: true, ..Config::default() };
    for address in args {
        config = config.fund(address.parse::<Address>()?, U256::from(GIFT));
    }
    let serving = Simnet::new(config)?.serve(listen.parse()?).await?;
    println!("http and ws on {}", serving.address());
    std::future::pending().await
}
