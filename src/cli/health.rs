//! `qianshao health`: asks a running process whether it is alive or ready, for whoever has no HTTP client at hand.
//!
//! Promises: the exit code is 0 only for a yes; a no is shown with its reasons.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::{config_of, say};
use crate::config::Config;
use crate::observe::http;
use crate::problem::codes::config::CONFIG_VALUE;
use crate::problem::{Problem, Result};

#[derive(Args)]
pub struct Health {
    /// The configuration of the process, which says where it answers. 该进程的配置文件
    #[arg(short, long, conflicts_with = "address")]
    config: Option<PathBuf>,
    /// Where it answers, instead. 或直接给出地址
    #[arg(long, default_value = "127.0.0.1:9180")]
    address: SocketAddr,
    /// Whether it does all that it was told to, not only whether it is alive. 询问是否就绪，而非仅是否存活
    #[arg(long)]
    ready: bool,
}

pub async fn health(wanted: &Health) -> Result<bool> {
    let address = match &wanted.config {
        Some(file) => address_of(&config_of(file)?)?,
        None => wanted.address,
    };
    let path = if wanted.ready { "/readyz" } else { "/livez" };
    let (status, body) = http::ask(nearest(address), path).await?;
    say(body.trim_end());
    Ok(status == 200)
}

fn address_of(config: &Config) -> Result<SocketAddr> {
    config.observe.address.ok_or_else(|| {
        Problem::new(CONFIG_VALUE, "observe.address", "off")
            .help("name an address there: a process without one cannot be asked")
    })
}

/// Where a process that answers on every address is reached from its own machine.
fn nearest(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_means_this_machine_when_we_ask() {
        let nearest_to = |text: &str| nearest(text.parse().unwrap()).to_string();
        assert_eq!(nearest_to("0.0.0.0:9180"), "127.0.0.1:9180");
        assert_eq!(nearest_to("[::]:9180"), "[::1]:9180");
        assert_eq!(nearest_to("10.0.0.7:9180"), "10.0.0.7:9180");
    }
}
