//! Several addresses, one connection: the next is tried when one fails or is slow (after RFC 8305).

use crate::limits::NEXT_ADDRESS;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// The first connection that is made; else why the last address failed.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = alternating(addresses).into_iter();
    let mut trying = FuturesUnordered::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match waiting.next() {
            Some(address) => trying.push(TcpStream::connect(address)),
            None if trying.is_empty() => return Err(failure),
            None => {}
        }
        tokio::select! {
            Some(tried) = trying.next() => match tried {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = sleep(NEXT_ADDRESS), if waiting.len() > 0 => {}
        }
    }
}

/// The families by turns, the resolver's favourite first: a family that leads nowhere costs one wait, not one for each address.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (favoured, others): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let mut others = others.into_iter();
    let mut order = Vec::new();
    for address in favoured {
        order.push(address);
        order.extend(others.next());
    }
    order.extend(others);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn addresses(text: &[&str]) -> Vec<SocketAddr> {
        text.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_none_is_lost() {
        let given = addresses(&["[::1]:1", "[::1]:2", "[::1]:3", "127.0.0.1:1"]);
        assert_eq!(alternating(given), addresses(&["[::1]:1", "127.0.0.1:1", "[::1]:2", "[::1]:3"]));
        let given = addresses(&["127.0.0.1:1", "[::1]:2", "[::1]:3"]);
        assert_eq!(alternating(given), addresses(&["127.0.0.1:1", "[::1]:2", "[::1]:3"]));
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nobody = TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap();
        let there = listener.local_addr().unwrap();
        assert_eq!(connect(vec![nobody, there]).await.unwrap().peer_addr().unwrap(), there);
        assert_eq!(connect(vec![nobody]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(connect(vec![]).await.is_err());
    }
}
